/** The servers behind the gateway, as everybody else sees them. Call `openUpstreams`. */

import type { Result } from '../base/result.ts'
import { callUpstream, type CallOptions, type CallOutcome, type UpstreamRequest } from './call.ts'
import type { ServerTier } from '../registry/server.ts'
import { sweep } from '../sandbox/leftovers.ts'
import { Connections } from './connections.ts'
import { observe, type Listing, type ObserveRefusal } from './observe.ts'
import type { WireEnv } from './open-wire.ts'
import type { UpstreamServer } from './server.ts'

/** Calls and observes servers, over connections that it keeps. */
export interface Upstreams {
  /** Makes one call, once. See `call.ts`. */
  call(server: UpstreamServer, request: UpstreamRequest, options: CallOptions): Promise<CallOutcome>
  /** Where a server runs, or will run when it is called: what policy may demand. */
  tierOf(server: UpstreamServer): Promise<ServerTier>
  /** Reads everything that a server offers. See `observe.ts`. */
  observe(server: UpstreamServer): Promise<Result<Listing, ObserveRefusal>>
  /**
   * Closes the connection to a server and ends the calls under way, as `unknown`: for quarantine, withdrawal
   * and a changed credential. A later call opens it again, if the server may then be called.
   */
  drop(serverId: string): Promise<void>
  close(): Promise<void>
}

/** The upstreams of one process. */
export function openUpstreams(env: WireEnv): Upstreams {
  // What a process of ours that was killed left running, before anything is started anew.
  const { processes, groups, folders } = sweep()
  if (processes + groups + folders > 0) {
    env.diagnostics.warn('sandbox.swept', { processes, groups, folders })
  }
  const connections = new Connections(env)
  const within = { connections, clock: env.clock }
  return {
    call: (server, request, options) => callUpstream(server, request, options, within),
    tierOf: (server) => connections.tierOf(server),
    observe: (server) => observe(server, within),
    drop: (serverId) => connections.drop(serverId),
    close: () => connections.close(),
  }
}
