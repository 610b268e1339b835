/** What a command does as an agent: `SPIFFE_ENDPOINT_SOCKET` says which, `BEHALF_DELEGATION` for what. */

import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { type AgentAccess, agentAccess, ExchangeRefused } from '../client/agent.ts'
import { ProtocolRefused } from '../client/mcp.ts'
import { type Context, contextOf } from './context.ts'
import { Refused } from './terminal.ts'
import { reading, textIn, UsageError } from './usage.ts'

/** What `--key-file` means, for help. */
export const KEY_FILE =
  'the key that its tokens are bound to, made when missing; an agent has one key for life, so without it only one command can act as this agent'

/** Runs `work` with the access of the agent that the environment names. */
export async function asAgent(
  command: Command,
  { keyFile }: { readonly keyFile?: string | undefined },
  work: (access: AgentAccess, context: Context) => Promise<void>,
): Promise<void> {
  const context = contextOf(command)
  const { SPIFFE_ENDPOINT_SOCKET: socket, BEHALF_DELEGATION: delegation } = process.env
  if (socket === undefined || delegation === undefined)
    throw new UsageError('expected SPIFFE_ENDPOINT_SOCKET and BEHALF_DELEGATION to be set')
  const key = keyFile === undefined ? undefined : keptKey(keyFile)
  const { workloadApi } = await import('../client/workload.ts')
  const workload = workloadApi(socket, { clock: systemClock })
  const access = agentAccess(
    { issuer: context.url, workload, delegation, ...(key !== undefined && { key }) },
    { clock: systemClock, random: systemRandom },
  )
  try {
    await work(access, context)
  } catch (fault) {
    if (fault instanceof ExchangeRefused) throw new Refused(fault.code, fault.message)
    if (fault instanceof ProtocolRefused) throw new Refused('protocol_error', fault.message)
    throw fault
  } finally {
    workload.close()
  }
}

/** The agent's key, made on first use: 0600, never overwritten. */
function keptKey(file: string): KeyObject {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
    reading(file, 'the key', () => writeFileSync(file, pem, { mode: 0o600, flag: 'wx' }))
  }
  const pem = textIn(file, 'the key')
  return reading(file, 'the key', () => createPrivateKey(pem))
}
