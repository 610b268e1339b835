/** An MCP server of the stateless era that answers at once: what a gateway adds stands out against it. */

import { serveJson } from './serve.ts'

const TOOLS = ['echo', 'look', 'count'].map((name) => ({
  name,
  description: `Answers with what it was asked: ${name}.`,
  inputSchema: {
    type: 'object',
    properties: { path: { type: 'string' }, text: { type: 'string' } },
    required: ['path', 'text'],
  },
}))

const RESULTS: Readonly<Record<string, (params: Record<string, unknown>) => object>> = {
  'server/discover': () => ({
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: {} },
    ttlMs: 0,
    cacheScope: 'private',
  }),
  'tools/list': () => ({ tools: TOOLS, ttlMs: 0, cacheScope: 'private' }),
  'tools/call': ({ arguments: args }) => ({
    content: [{ type: 'text', text: JSON.stringify(args) }],
  }),
}

serveJson((body) => {
  const { id, method, params } = JSON.parse(body.toString('utf8')) as {
    id: number
    method: string
    params: Record<string, unknown>
  }
  const result = RESULTS[method]?.(params)
  return JSON.stringify(
    result === undefined
      ? { jsonrpc: '2.0', id, error: { code: -32_601, message: 'method not found' } }
      : { jsonrpc: '2.0', id, result: { resultType: 'complete', ...result } },
  )
})
