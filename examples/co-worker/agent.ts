/**
 * A co-worker: an agent that several people ask, in a conversation of theirs.
 *
 * It is a whole agent but for its model, and the loop is all there is to it: which turns wait, what is asked,
 * what a tool says, an answer. It holds an SVID, a key and the signed delegation. Who said what, what is
 * settled, and who may read the answer, it is told or spared by the control plane.
 *
 * Each turn begins with nothing but what was fetched for it. An agent that kept what it was told in one turn
 * could tell it to somebody else in the next.
 *
 *   SPIFFE_ENDPOINT_SOCKET=unix://… BEHALF_DELEGATION=eyJ… BEHALF_URL=http://127.0.0.1:8787 \
 *     node examples/co-worker/agent.ts --key-file agent.pem [--once]
 */

import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Output } from '../../src/api/operations.ts'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { agentAccess } from '../../src/client/agent.ts'
import { connect } from '../../src/client/client.ts'
import { callTool } from '../../src/client/mcp.ts'
import { workloadApi } from '../../src/client/workload.ts'
import { type Returned, step } from './model.ts'

type Turn = Output<'fetchTurn'>

/** At most so many tools a turn: a model that goes round in circles ends. */
const MOST_STEPS = 8

const { values: options } = parseArgs({
  options: { 'key-file': { type: 'string' }, once: { type: 'boolean', default: false } },
})
const { SPIFFE_ENDPOINT_SOCKET = '', BEHALF_DELEGATION = '', BEHALF_URL = '' } = process.env
const keyFile = options['key-file']
const workload = workloadApi(SPIFFE_ENDPOINT_SOCKET, { clock: systemClock })
const access = agentAccess(
  {
    issuer: BEHALF_URL,
    workload,
    delegation: BEHALF_DELEGATION,
    ...(keyFile !== undefined && { key: createPrivateKey(readFileSync(keyFile)) }),
  },
  { clock: systemClock, random: systemRandom },
)
const behalf = connect({ url: BEHALF_URL, fetch: access.fetch })

for (;;) {
  const waiting = await behalf.call('listTurns', {})
  if (!waiting.ok) throw new Error(waiting.error.message)
  for (const { turn } of waiting.value.turns) await work(turn)
  if (options.once) break
  await pause(1_000)
}
workload.close()

async function work(id: string): Promise<void> {
  const turn = await behalf.call('fetchTurn', { turn: id })
  // Whoever asked may have left since it was listed.
  if (!turn.ok) return console.error(`${id}: ${turn.error.reason}`)
  const text = await answerTo(turn.value)
  const answered = await behalf.call('answerTurn', { turn: id, text })
  if (!answered.ok) return console.error(`${id}: ${answered.error.reason}`)
  console.log(`${id}: ${text}`)
}

async function answerTo(turn: Turn): Promise<string> {
  const returned: Returned[] = []
  while (returned.length < MOST_STEPS) {
    const next = step(turn, returned)
    if (next.type === 'answer') return next.text
    const result = await callTool(`${BEHALF_URL}/mcp`, access.fetch, next.call)
    const text = result.content.map((part) => part.text ?? '').join('\n')
    returned.push({ isError: result.isError === true, text })
  }
  return 'I did not come to an end.'
}
