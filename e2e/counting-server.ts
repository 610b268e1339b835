/** An MCP server over HTTP that counts what reaches it: whether a gateway calls twice, only it can tell. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'

/** A running one. */
export interface CountingServer {
  readonly url: string
  /** How often a tool was called with a `nonce`. */
  readonly counts: ReadonlyMap<string, number>
  close(): Promise<void>
}

/** Serves `note` and `file`, each of a nonce, which it counts and then works on. */
export async function startCountingServer(
  work: (nonce: string) => Promise<void> = async () => {},
): Promise<CountingServer> {
  const counts = new Map<string, number>()
  const handler = createMcpHandler(() => {
    const mcp = new McpServer({ name: 'counter', version: '1.0.0' })
    for (const name of ['note', 'file']) {
      const config = { description: `${name}s once`, inputSchema: z.object({ nonce: z.string() }) }
      mcp.registerTool(name, config, async ({ nonce }) => {
        counts.set(nonce, (counts.get(nonce) ?? 0) + 1)
        await work(nonce)
        return { content: [{ type: 'text', text: `noted ${nonce}` }] }
      })
    }
    return mcp
  })
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
    counts,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await handler.close()
    },
  }
}
