/**
 * The Workload API sockets that this process serves, one per agent (`identity/workload-api.ts`).
 *
 * They live in `<home>/agents`. What a former process of this home served is served again if the agent
 * is not ended, so that an agent's process need not notice a restart: a crash leaves the sockets
 * themselves behind, a stop leaves empty files in their places.
 */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { AgentId } from '../identity/agent.ts'
import { findAgent } from '../identity/agent-store.ts'
import { serveWorkloadApi, type WorkloadApi, type WorkloadEnv } from '../identity/workload-api.ts'

/** The sockets of one process. */
export class AgentSockets {
  readonly #folder: string
  readonly #env: WorkloadEnv
  readonly #served = new Map<AgentId, WorkloadApi>()

  constructor(folder: string, env: WorkloadEnv) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    // Paths are told to agents, whose working folder is another one.
    this.#folder = resolve(folder)
    this.#env = env
  }

  /** Serves the agent's socket and returns its path. */
  async open(agentId: AgentId): Promise<string> {
    const served = this.#served.get(agentId)
    if (served !== undefined) return served.path
    const api = await serveWorkloadApi({ folder: this.#folder, agentId }, this.#env)
    this.#served.set(agentId, api)
    return api.path
  }

  /** The path of the agent's socket, if it is served here. */
  pathOf(agentId: AgentId): string | undefined {
    return this.#served.get(agentId)?.path
  }

  /** Serves again what a former process of this home served. */
  async reopen(): Promise<void> {
    for (const file of readdirSync(this.#folder)) {
      const agentId: AgentId = `agt_${file.replace(/\.sock$/, '')}`
      const agent = await this.#env.store.snapshot((tx) => findAgent(tx, agentId))
      if (agent !== undefined && agent.state !== 'ended') await this.open(agentId)
      else rmSync(join(this.#folder, file), { force: true })
    }
  }

  /** Serves the agent's socket no longer. */
  async shut(agentId: AgentId): Promise<void> {
    const api = this.#served.get(agentId)
    this.#served.delete(agentId)
    await api?.close()
  }

  /** Makes the streams of the agents among `subjects` look again; of all when the keys changed. */
  refresh(subjects: ReadonlySet<string>, keysChanged: boolean): void {
    for (const [agentId, api] of this.#served) {
      if (keysChanged || subjects.has(agentId)) api.refresh()
    }
  }

  /** How many sockets are served. */
  get size(): number {
    return this.#served.size
  }

  /** Serves nothing any more, and leaves word for the next process. */
  async close(): Promise<void> {
    const served = [...this.#served.values()]
    this.#served.clear()
    await Promise.all(served.map((api) => api.close()))
    for (const { path } of served) writeFileSync(path, '', { mode: 0o600 })
  }
}
