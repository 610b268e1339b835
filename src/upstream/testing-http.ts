/** MCP servers over HTTP that answer as a test says: `modern` and `legacy`. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import type { UpstreamServer } from './server.ts'
import { httpServer, serverOf } from './testing.ts'

/** The credential. */
export const SECRET = 'sk-upstream-0123456789abcdef'

/** How a server answers a call. */
export type Handle = (body: JsonObject, request: IncomingMessage, response: ServerResponse) => void

/** Answers with a message. */
export function json(response: ServerResponse, message: JsonObject, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', ...message }))
}

/** A result with these words. */
export const text = (words: string): JsonObject => ({ content: [{ type: 'text', text: words }] })

/** A server of the stateless era that answers calls with `call`. */
export async function modern(t: TestContext, call: Handle): Promise<UpstreamServer> {
  const url = await httpServer(t, (body, request, response) => {
    if (body['method'] !== 'server/discover') return call(body, request, response)
    const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} }
    json(response, { id: body['id'] ?? null, result })
  })
  return serverOf({ type: 'http', url, credential: 'key' }, { era: '2026-07-28' })
}

/** A server of the session era that answers calls with `call`, and lists all it has received. */
export async function legacy(
  t: TestContext,
  call: Handle,
): Promise<{ server: UpstreamServer; received: string[] }> {
  const received: string[] = []
  const url = await httpServer(t, (body, request, response) => {
    const { method, id = null } = body
    const what = typeof method === 'string' ? method : (request.method ?? '')
    received.push(`${what} ${String(request.headers['mcp-session-id'] ?? '-')}`)
    if (request.method === 'DELETE' || id === null) return void response.writeHead(202).end()
    if (method !== 'initialize') return call(body, request, response)
    response.setHeader('mcp-session-id', `s${received.length}`)
    const result = { protocolVersion: '2025-06-18', capabilities: {}, serverInfo: {} }
    json(response, { id, result })
  })
  return {
    server: serverOf({ type: 'http', url, credential: 'key' }, { era: '2025-11-25' }),
    received,
  }
}

/** Where the credential comes from. */
export const credential = (): Promise<string> => Promise.resolve(SECRET)

/** The id of a request. */
export const id = (body: JsonObject): string | number => body['id'] as number
