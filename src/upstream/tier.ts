/**
 * Where a server will run. A prediction: what was decided on it is held to it when the call is made
 * (`call.ts`), so that a wrong one costs a call and lets nothing run in a weaker place than was permitted.
 */

import type { ServerTier } from '../registry/server.ts'
import { bestTierFor, type SandboxEnv } from '../sandbox/sandboxed.ts'
import { programOf } from './open-wire.ts'
import type { UpstreamServer } from './server.ts'

/** The tier that the sandbox would choose for a server's program now. */
export async function expectedTier(server: UpstreamServer, env: SandboxEnv): Promise<ServerTier> {
  const { transport } = server
  if (transport.type === 'http') return 'remote'
  const { tier, egress, limits = {} } = transport
  // There or not at all.
  if (tier !== undefined) return tier
  if (egress !== undefined) return 'T1'
  return (await bestTierFor({ ...programOf(server, transport), limits }, env)) ?? 'none'
}
