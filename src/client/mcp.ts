/**
 * One tool call in the stateless era (MCP 2026-07-28), for scripts. Agents use an MCP client of their own
 * with `agentAccess(…).fetch`.
 */

import * as z from 'zod'
import type { JsonObject } from '../base/canonical-json.ts'
import { META, MODERN, modernHeaders } from '../mcp/era.ts'
import { requestText } from '../mcp/message.ts'
import type { AgentAccess } from './agent.ts'

const toolResult = z.looseObject({
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
  isError: z.boolean().optional(),
})
const answerSchema = z.union([
  z.object({ result: toolResult }),
  z.object({ error: z.object({ code: z.int(), message: z.string() }) }),
])

/** The gateway's protocol error (JSON-RPC 2.0 §5.1). */
export class ProtocolRefused extends Error {
  readonly code: number

  constructor({ code, message }: { readonly code: number; readonly message: string }) {
    super(`the gateway answered \`${message}\``)
    this.code = code
  }
}

/** The result of a tool, refusals by a constraint included; throws `ProtocolRefused` for protocol errors. */
export async function callTool(
  endpoint: string,
  fetchAs: AgentAccess['fetch'],
  call: { readonly name: string; readonly arguments: JsonObject },
): Promise<z.infer<typeof toolResult>> {
  const params = {
    ...call,
    _meta: { [META.protocolVersion]: MODERN, [META.clientCapabilities]: {} },
  }
  const response = await fetchAs(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...modernHeaders('tools/call', params),
    },
    body: requestText(1, 'tools/call', params),
  })
  if (!(response.headers.get('content-type') ?? '').startsWith('application/json')) {
    throw new Error(`the gateway answered ${response.status}`)
  }
  const answer = answerSchema.parse(await response.json())
  if ('error' in answer) throw new ProtocolRefused(answer.error)
  return answer.result
}
