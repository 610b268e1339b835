/**
 * The SPIFFE Workload API of one agent, on a unix socket of its own: `serveWorkloadApi`.
 *
 * Whoever connects is known by the kernel's word (`peer.ts`) and must be what the agent's selectors
 * say, when it connects and at each call. Streams answer at once, then whenever something changed: the
 * SVID at half of its life, the bundle, or the agent's right to any of it. What changed elsewhere is
 * learned by `refresh`, which the owner calls when the change feed names the agent or the keyring.
 *
 * @see SPIFFE Workload Endpoint, SPIFFE Workload API
 */

import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { Diagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import type { AgentId } from './agent.ts'
import { findAgent } from './agent-store.ts'
import type { IssueEnv } from './issue-svid.ts'
import { listenPrivately } from './private-socket.ts'
import { parseSelectors } from './selector.ts'
import { Admission } from './workload-admission.ts'
import { Changes } from './workload-calls.ts'
import { workloadService } from './workload-messages.ts'
import { workloadMethods } from './workload-methods.ts'

/** An agent's Workload API, being served. */
export interface WorkloadApi {
  /** The socket; `SPIFFE_ENDPOINT_SOCKET` is `unix://` and this. */
  readonly path: string
  /** Makes every stream look again: at the agent's state, at the keys. */
  refresh(): void
  /** Ends every call and removes the socket. */
  close(): Promise<void>
}

/** What serving needs. */
export interface WorkloadEnv extends IssueEnv {
  readonly diagnostics: Diagnostics
}

const MAX_CONNECTIONS = 64
const LIMITS = {
  'grpc.max_receive_message_length': 65_536,
  'grpc.max_concurrent_streams': 64,
  'grpc.enable_channelz': 0,
}

/** Serves the agent's Workload API in `folder`, which is ours alone. Throws if there is no such agent. */
export async function serveWorkloadApi(
  { folder, agentId }: { readonly folder: string; readonly agentId: AgentId },
  env: WorkloadEnv,
): Promise<WorkloadApi> {
  const agent = await findAgent(env.store.db, agentId)
  if (agent === undefined) throw new Error(`expected an agent \`${agentId}\`, got none`)

  const changes = new Changes()
  const admission = new Admission(agentId, must(parseSelectors(agent.selectors)), env)
  const server = new Server(LIMITS)
  server.addService(workloadService(), workloadMethods({ agent, admission }, { ...env, changes }))
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const connected = new Set<Socket>()
  const listener = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    if (!admission.meet(socket)) return socket.destroy()
    connected.add(socket)
    socket.once('close', () => connected.delete(socket))
    return injector.injectConnection(socket)
  })
  listener.maxConnections = MAX_CONNECTIONS
  const path = join(folder, `${agentId.slice('agt_'.length)}.sock`)
  await listenPrivately(listener, path)
  return {
    path,
    refresh: () => changes.tell(),
    close: async () => {
      const { promise: closed, resolve } = Promise.withResolvers<void>()
      listener.close(() => resolve())
      // gRPC does not know the sockets that were injected, so they are ended here.
      server.forceShutdown()
      for (const socket of connected) socket.destroy()
      await closed
    },
  }
}
