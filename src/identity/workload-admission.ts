/**
 * Who may call an agent's Workload API. Each connection is introduced by `meet`; each call passes
 * `admit`, which takes nothing from earlier calls for granted.
 */

import type { Socket } from 'node:net'
import type { Metadata } from '@grpc/grpc-js'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store } from '../store/store.ts'
import type { Agent, AgentId } from './agent.ts'
import { findAgent } from './agent-store.ts'
import { isAttested, type Peer, peerOf } from './peer.ts'
import type { Selector } from './selector.ts'

/** What admission sees of a call. */
export interface AdmittedCall {
  readonly metadata: Metadata
  getPeer(): string
}

/** Why a call was not admitted. */
export type AdmissionRefusal = {
  readonly reason: 'no_security_header' | 'not_attested' | 'unknown_agent' | 'agent_not_active'
}

interface Connection {
  readonly peer: Peer
  /** A process that becomes another one later must not gain by it. */
  readonly wasAttested: Promise<boolean>
}

/** The processes that are connected to one agent's socket. */
export class Admission {
  readonly #agent: AgentId
  readonly #selectors: readonly Selector[]
  readonly #store: Store
  readonly #connections = new Map<string, Connection>()
  #met = 0

  constructor(agent: AgentId, selectors: readonly Selector[], env: { readonly store: Store }) {
    this.#agent = agent
    this.#selectors = selectors
    this.#store = env.store
  }

  /** Learns from the kernel who connected; `false` if it does not say. */
  meet(socket: Socket): boolean {
    const peer = peerOf(socket)
    if (peer === undefined) return false
    const name = `unix:${++this.#met}`
    // A unix socket has no address; gRPC gives this one to `getPeer` of each call.
    Object.defineProperty(socket, 'remoteAddress', { value: name })
    this.#connections.set(name, { peer, wasAttested: isAttested(peer, this.#selectors) })
    socket.once('close', () => this.#connections.delete(name))
    return true
  }

  /** The agent, if it is active and the caller is what its selectors say. */
  async admit(call: AdmittedCall): Promise<Result<Agent, AdmissionRefusal>> {
    // Workload Endpoint §3: without this header a call MUST be rejected; it keeps forged requests out.
    const header = call.metadata.get('workload.spiffe.io')
    if (header.length !== 1 || header[0] !== 'true') return refuse({ reason: 'no_security_header' })

    const connection = this.#connections.get(call.getPeer())
    if (connection === undefined || !(await this.#isAttested(connection))) {
      return refuse({ reason: 'not_attested' })
    }
    const agent = await findAgent(this.#store.db, this.#agent)
    if (agent === undefined) return refuse({ reason: 'unknown_agent' })
    return agent.state === 'active' ? ok(agent) : refuse({ reason: 'agent_not_active' })
  }

  async #isAttested({ peer, wasAttested }: Connection): Promise<boolean> {
    return (await wasAttested) && (await isAttested(peer, this.#selectors))
  }
}
