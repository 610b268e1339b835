/** An MCP server over HTTP that counts what reaches it: whether a gateway calls twice, only it can tell. */

import { McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { listen, type Listening } from './listen.ts'

/** A running one. */
export interface CountingServer extends Listening {
  /** How often a tool was called with a `nonce`. */
  readonly counts: ReadonlyMap<string, number>
}

/** Serves `note` and `file`, each of a nonce, which it counts and then works on. */
export async function startCountingServer(
  work: (nonce: string) => Promise<void> = async () => {},
): Promise<CountingServer> {
  const counts = new Map<string, number>()
  const listening = await listen(() => {
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
  return { ...listening, counts }
}
