/**
 * The door for bridges: where the windows of connected MCP clients come from and go.
 *
 * A bridge (`client/bridge.ts`) that connects is known by the kernel's word and must be what the
 * client's selectors say. It gets an agent of its own (`delegation/window.ts`), whose Workload API is
 * served while the bridge stays connected; when it goes, the agent ends. Nothing that it is told is
 * worth anything to another process: there is no secret in it.
 *
 * A server that stops leaves windows as they are. After its restart their bridges have a while to come
 * back; the windows of those that do not are ended.
 */

import { createServer, type Server, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { type DoorAnswer, doorRequest, MAX_REQUEST_BYTES, UNAVAILABLE } from '../api/door.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { idSchema } from '../base/id.ts'
import { must, ok, refuse, type Result } from '../base/result.ts'
import type { Connection, ConnectionEnv, ConnectionId } from '../delegation/connection.ts'
import { findConnection, openConnections } from '../delegation/connection-store.ts'
import { closeWindow, findWindow, openWindow, windowsOf } from '../delegation/window.ts'
import { agentIdSchema, type AgentId } from '../identity/agent.ts'
import { findAgent } from '../identity/agent-store.ts'
import { Allowance } from '../identity/allowance.ts'
import { isAttested, type Peer, peerOf } from '../identity/peer.ts'
import { listenPrivately } from '../identity/private-socket.ts'
import { parseSelectors } from '../identity/selector.ts'
import type { AgentSockets } from './agent-sockets.ts'

/** What the door needs. */
export interface DoorEnv extends ConnectionEnv {
  readonly sockets: AgentSockets
  readonly diagnostics: Diagnostics
}

/** A process at the door. */
interface Bridge {
  readonly socket: Socket
  readonly peer: Peer
}

interface Held {
  readonly socket: Socket
  readonly connection: Connection
}

/** A bridge says what it wants within this time. */
const REQUEST_MILLISECONDS = 10_000
/** A bridge comes back within this time after a restart. */
const RESUME_MILLISECONDS = 60_000
const MAX_BRIDGES = 500
/** Windows of one connection: a client gone wild must not fill the log. */
const WINDOW_BURST = 50
const WINDOWS_PER_SECOND = 1

/** The door of one process. */
export class BridgeDoor {
  /** Where bridges connect. */
  readonly path: string
  readonly #env: DoorEnv
  readonly #server: Server
  readonly #connected = new Set<Socket>()
  readonly #held = new Map<AgentId, Held>()
  readonly #allowances = new Map<ConnectionId, Allowance>()
  /** Windows of a former process that were not taken up again yet. */
  readonly #awaited = new Set<AgentId>()
  readonly #closing = new AbortController()
  readonly #work = new Set<Promise<void>>()

  constructor(path: string, env: DoorEnv) {
    // It is told to clients, whose working folder is another one.
    this.path = resolve(path)
    this.#env = env
    this.#server = createServer((socket) => this.#doing(this.#meet(socket)))
    this.#server.maxConnections = MAX_BRIDGES
  }

  /** Lets bridges in, those of a former process first. `sockets` serves again what it served. */
  async open(): Promise<void> {
    for (const { connection, agent } of await this.#left()) {
      this.#awaited.add(agent)
      this.#doing(this.#endUnlessResumed(connection, agent))
    }
    await listenPrivately(this.#server, this.path)
  }

  /** Looks again at windows that the change of one of `subjects` may have ended. */
  refresh(subjects: ReadonlySet<string>): void {
    for (const [agent, held] of this.#held) {
      const { id, delegation } = held.connection
      if ([agent, id, delegation].some((subject) => subjects.has(subject))) {
        this.#doing(this.#endIfOver(agent, held))
      }
    }
  }

  /** Lets nobody in any more. Windows stay: their bridges come back to the next process. */
  async close(): Promise<void> {
    this.#closing.abort()
    const { promise, resolve: closed } = Promise.withResolvers<void>()
    this.#server.close(() => closed())
    for (const socket of this.#connected) socket.destroy()
    await promise
    await Promise.all(this.#work)
  }

  /** How many windows are open here. */
  get size(): number {
    return this.#held.size
  }

  async #meet(socket: Socket): Promise<void> {
    this.#connected.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#connected.delete(socket))
    const peer = peerOf(socket)
    const line = peer && (await firstLine(socket))
    if (peer === undefined || line === undefined) {
      socket.destroy()
      return
    }
    const answer = await this.#answer({ socket, peer }, line).catch(
      (fault: unknown): Result<DoorAnswer> => {
        // Whatever it was, a bridge that waits for an answer gets one.
        this.#env.diagnostics.error('bridge.fault', fault)
        return refuse({ reason: UNAVAILABLE })
      },
    )
    if (answer.ok) {
      say(socket, answer.value)
      return
    }
    const { reason, message } = answer.error
    this.#env.diagnostics.warn('bridge.refused', { reason })
    say(socket, { refused: reason, ...(message !== undefined && { message }) })
    socket.end()
  }

  async #answer(bridge: Bridge, line: string): Promise<Result<DoorAnswer>> {
    const request = parseRequest(line)
    if (!request.ok) return request
    const { connection: id, resume } = request.value
    const admitted = await this.#admit(bridge, id)
    if (!admitted.ok) return admitted
    return resume === undefined
      ? await this.#openWindow(bridge, admitted.value)
      : await this.#resume(bridge, admitted.value, resume)
  }

  /** The connection, if the kernel says that the process is one of those it was made for. */
  async #admit({ peer }: Bridge, id: ConnectionId): Promise<Result<Connection>> {
    const { store } = this.#env
    const connection = await store.snapshot((tx) => findConnection(tx, id))
    if (connection === undefined) return refuse({ reason: 'unknown_connection' })
    const client = await findAgent(store.db, connection.agent)
    const selectors = must(parseSelectors(client?.selectors ?? []))
    if (!(await isAttested(peer, selectors))) {
      const message = 'this process is not one that the connection was made for'
      return refuse({ reason: 'not_attested', message })
    }
    return ok(connection)
  }

  async #openWindow({ socket }: Bridge, connection: Connection): Promise<Result<DoorAnswer>> {
    const { id } = connection
    const allowance =
      this.#allowances.get(id) ?? new Allowance(WINDOW_BURST, WINDOWS_PER_SECOND, this.#env)
    this.#allowances.set(id, allowance)
    if (!allowance.take()) return refuse({ reason: 'too_many_windows' })
    const window = await openWindow(connection, this.#env)
    if (!window.ok) return window
    const { agent, delegation } = window.value
    // Before anything else may fail: from here on it ends with its bridge.
    this.#hold(agent.id, { socket, connection })
    return ok({
      opened: {
        agent: agent.id,
        spiffeId: agent.spiffeId,
        socket: await this.#serve(agent.id),
        issuer: this.#env.issuer,
        delegation: delegation.signed,
      },
    })
  }

  async #resume(
    { socket }: Bridge,
    connection: Connection,
    agent: AgentId,
  ): Promise<Result<DoorAnswer>> {
    if (this.#held.has(agent)) return refuse({ reason: 'window_held' })
    const window = await findWindow(connection, agent, this.#env)
    if (!window.ok) return window
    // Two may have asked at once.
    if (this.#held.has(agent)) return refuse({ reason: 'window_held' })
    this.#awaited.delete(agent)
    this.#hold(agent, { socket, connection })
    await this.#serve(agent)
    return ok({ resumed: agent })
  }

  /** The path of the window's Workload API, which is served while the window is held. */
  async #serve(agent: AgentId): Promise<string> {
    const { sockets } = this.#env
    const path = await sockets.open(agent)
    if (!this.#held.has(agent)) await sockets.shut(agent)
    return path
  }

  /** Keeps the window until its bridge goes. */
  #hold(agent: AgentId, held: Held): void {
    this.#held.set(agent, held)
    const gone = (): void => {
      this.#held.delete(agent)
      if (!this.#closing.signal.aborted) this.#doing(this.#end(agent, held.connection))
    }
    // It may have gone while its window was opened.
    if (held.socket.destroyed) gone()
    else held.socket.once('close', gone)
  }

  async #endIfOver(agent: AgentId, { socket, connection: { id } }: Held): Promise<void> {
    const connection = await this.#env.store.snapshot((tx) => findConnection(tx, id))
    if (connection === undefined) return
    const window = await findWindow(connection, agent, this.#env)
    // What is only suspended may go on later.
    if (window.ok || !/_(?:ended|revoked|completed|expired)$/.test(window.error.reason)) return
    say(socket, { ended: window.error.reason })
    socket.end()
  }

  async #end(agent: AgentId, connection: Connection): Promise<void> {
    await closeWindow(connection, { agent, reason: 'its window was closed' }, this.#env)
    await this.#env.sockets.shut(agent)
  }

  /** The windows that a former process of this home had. */
  async #left(): Promise<{ connection: Connection; agent: AgentId }[]> {
    const connections = await this.#env.store.snapshot((tx) => openConnections(tx))
    const left: { connection: Connection; agent: AgentId }[] = []
    for (const connection of connections) {
      for (const { id } of await windowsOf(connection, this.#env)) {
        // One that is not served here belongs to another replica.
        if (this.#env.sockets.pathOf(id) !== undefined) left.push({ connection, agent: id })
      }
    }
    return left
  }

  async #endUnlessResumed(connection: Connection, agent: AgentId): Promise<void> {
    await this.#env.clock.sleep(RESUME_MILLISECONDS, this.#closing.signal)
    if (this.#closing.signal.aborted || !this.#awaited.delete(agent)) return
    await this.#end(agent, connection)
  }

  /** Work that nobody awaits: its fault is told, and `close` waits for it. */
  #doing(work: Promise<void>): void {
    const told = work
      .catch((fault: unknown) => this.#env.diagnostics.error('bridge.fault', fault))
      .finally(() => this.#work.delete(told))
    this.#work.add(told)
  }
}

const connectionId = idSchema('con')

function parseRequest(line: string): Result<{ connection: ConnectionId; resume?: AgentId }> {
  const bad = refuse({ reason: 'bad_request', message: 'expected a connection' })
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    return bad
  }
  const request = doorRequest.safeParse(json)
  if (!request.success) return bad
  const stated = 'open' in request.data ? request.data.open : request.data.connection
  const connection = connectionId.safeParse(stated)
  if (!connection.success) return bad
  if ('open' in request.data) return ok({ connection: connection.data })
  const resume = agentIdSchema.safeParse(request.data.resume)
  return resume.success ? ok({ connection: connection.data, resume: resume.data }) : bad
}

/** The first line; nothing from who says too much, too late, or goes away. */
async function firstLine(socket: Socket): Promise<string | undefined> {
  const { promise, resolve: hear } = Promise.withResolvers<string | undefined>()
  let said = ''
  socket.setEncoding('latin1')
  socket.setTimeout(REQUEST_MILLISECONDS, () => hear(undefined))
  socket.once('close', () => hear(undefined))
  socket.on('data', (text: string) => {
    said += text
    const end = said.indexOf('\n')
    if (end !== -1) hear(said.slice(0, end))
    else if (said.length > MAX_REQUEST_BYTES) hear(undefined)
  })
  const line = await promise
  socket.setTimeout(0)
  socket.removeAllListeners('data')
  // Read on, so that its end is noticed; what else it says is not listened to.
  socket.resume()
  return line
}

function say(socket: Socket, answer: DoorAnswer): void {
  socket.write(`${JSON.stringify(answer)}\n`)
}
