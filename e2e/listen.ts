/** Serves an MCP handler over HTTP on a port of its own. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { createMcpHandler, type McpServer } from '@modelcontextprotocol/server'

/** A server that listens. */
export interface Listening {
  readonly url: string
  close(): Promise<void>
}

/** Listens with servers that `make` makes, one for each request. */
export async function listen(make: () => McpServer): Promise<Listening> {
  const handler = createMcpHandler(make)
  const server = createServer((incoming, outgoing) => {
    const request = new Request(new URL(incoming.url ?? '/', 'http://127.0.0.1'), {
      method: incoming.method ?? 'GET',
      headers: incoming.headers as Record<string, string>,
      ...(incoming.method === 'POST' && { body: Readable.toWeb(incoming), duplex: 'half' }),
    })
    const answer = async (): Promise<void> => {
      const response = await handler.fetch(request)
      outgoing.writeHead(response.status, Object.fromEntries(response.headers))
      outgoing.end(Buffer.from(await response.arrayBuffer()))
    }
    // A caller that was killed takes no answer.
    answer().catch(() => outgoing.destroy())
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await handler.close()
    },
  }
}
