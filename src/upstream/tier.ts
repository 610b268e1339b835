/**
 * Where a server will run. A prediction: what was decided on it is held to it when the call is made
 * (`call.ts`), so that a wrong one costs a call and lets nothing run in a weaker place than was permitted.
 */

import type { ServerTier, Transport } from '../registry/server.ts'
import { jailWorks } from '../sandbox/bubblewrap.ts'
import { programOf } from '../sandbox/program.ts'
import type { SandboxEnv } from '../sandbox/sandboxed.ts'

/** The tier that the sandbox would choose for `transport` now. */
export async function expectedTier(transport: Transport, env: SandboxEnv): Promise<ServerTier> {
  if (transport.type === 'http') return 'remote'
  const { tier, egress } = transport
  // There or not at all.
  if (tier !== undefined) return tier
  if (egress !== undefined || (await jailWorks(env)).ok) return 'T1'
  const program = await programOf(transport, env)
  return program.ok && program.value.javascript ? 'T0' : 'none'
}
