/**
 * A small tax engine as an MCP server over Streamable HTTP, in a process of its own:
 *
 *     node examples/tax-engine/server.ts --port 0 --folder <where returns are kept>
 *
 * It prints one line, `{"url": …}`, and serves until it is told to stop. With `TAX_ENGINE_KEY` in its
 * environment it demands that key as a bearer token of everybody.
 */

import { hash, timingSafeEqual } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  originValidationResponse,
} from '@modelcontextprotocol/server'
import { Returns } from './returns.ts'
import { taxEngine } from './tools.ts'

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, folder: { type: 'string' } },
})
const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'tax-engine-')))
const returns = await Returns.open(folder)
const key = process.env['TAX_ENGINE_KEY']
const handler = createMcpHandler(() => taxEngine(returns))

const server = createServer((incoming, outgoing) => {
  answer(incoming, outgoing).catch((fault: unknown) => {
    console.error(fault)
    outgoing.destroy()
  })
})
server.listen(Number(values.port), '127.0.0.1', () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('expected a port')
  console.log(JSON.stringify({ url: `http://127.0.0.1:${address.port}/mcp` }))
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    server.close()
    server.closeAllConnections()
    void handler.close()
  })
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const request = requestOf(incoming)
  const response =
    hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
    originValidationResponse(request, localhostAllowedOrigins()) ??
    refusal(request) ??
    (await handler.fetch(request))
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (response.body === null) outgoing.end()
  else await pipeline(Readable.fromWeb(response.body), outgoing)
}

function requestOf(incoming: IncomingMessage): Request {
  const method = incoming.method ?? 'GET'
  const bodied = method !== 'GET' && method !== 'HEAD'
  return new Request(
    new URL(incoming.url ?? '/', `http://${incoming.headers.host ?? 'localhost'}`),
    {
      method,
      headers: Object.entries(incoming.headersDistinct).flatMap(([name, all = []]) =>
        all.map((value): [string, string] => [name, value]),
      ),
      ...(bodied ? { body: Readable.toWeb(incoming), duplex: 'half' } : {}),
    },
  )
}

function refusal(request: Request): Response | undefined {
  if (new URL(request.url).pathname !== '/mcp') return new Response(null, { status: 404 })
  const shown = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? ''
  if (
    key === undefined ||
    timingSafeEqual(hash('sha256', shown, 'buffer'), hash('sha256', key, 'buffer'))
  ) {
    return undefined
  }
  return new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer' } })
}
