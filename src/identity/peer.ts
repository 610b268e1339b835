/**
 * Who is at the other end of a unix socket, by the kernel's word: `peerOf` when it connects, and
 * `isAttested` whenever it asks for something.
 *
 * `SO_PEERCRED` names the process that connected by a number, which the kernel gives to another
 * process once that one is gone. So a peer is its number *and* the instant at which it was started,
 * read while a pidfd (`SO_PEERPIDFD`, Linux 6.5) shows that it still runs. On older kernels a process
 * that is gone before we look can pass for its successor.
 *
 * @see unix(7), proc(5)
 */

import { createHash } from 'node:crypto'
import { closeSync, readFileSync } from 'node:fs'
import { open, readlink } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { release } from 'node:os'
import type { Selector } from './selector.ts'
import { socketOption } from './socket-option.ts'

/** A process that connected. */
export interface Peer {
  readonly pid: number
  /** Effective ids at the time it connected. */
  readonly uid: number
  readonly gid: number
  /** Clock ticks from boot to its start: no successor in its number has the same. */
  readonly startedAt: string
}

const SO_PEERCRED = 17
const SO_PEERPIDFD = 77
const [MAJOR = 0, MINOR = 0] = release().split('.').map(Number)
const KNOWS_PIDFD = MAJOR > 6 || (MAJOR === 6 && MINOR >= 5)
const MAX_EXECUTABLE_BYTES = 512 * 1_048_576

/** The process at the other end; nothing if the kernel does not say, or it is gone. */
export function peerOf(socket: Socket): Peer | undefined {
  const descriptor = descriptorOf(socket)
  const credentials =
    descriptor === undefined ? undefined : socketOption(descriptor, SO_PEERCRED, 12)
  if (descriptor === undefined || credentials === undefined) return undefined
  const pid = credentials.readInt32LE(0)
  const startedAt = startOf(pid)
  // After `startedAt` was read, so that it is the start of no successor.
  if (startedAt === undefined || !stillRuns(descriptor)) return undefined
  return { pid, uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8), startedAt }
}

/** Whether the peer is still the process that connected, and every selector holds for it now. */
export async function isAttested(peer: Peer, selectors: readonly Selector[]): Promise<boolean> {
  if (selectors.length === 0 || startOf(peer.pid) !== peer.startedAt) return false
  for (const selector of selectors) {
    if ((await FACTS[selector.kind](peer)) !== selector.value) return false
  }
  // Its executable was read by number: only now is it certain that it was its own.
  return startOf(peer.pid) === peer.startedAt
}

/** What a process is, by kind of selector; nothing where that cannot be told. */
const FACTS: Readonly<
  Record<Selector['kind'], (peer: Peer) => Promise<string | undefined> | number>
> = { uid: ({ uid }) => uid, gid: ({ gid }) => gid, path: executableOf, sha256: executableDigest }

/** The path of what runs; one that was deleted or replaced ends in ` (deleted)` and equals no selector. */
async function executableOf(peer: Peer): Promise<string | undefined> {
  return await readlink(`/proc/${peer.pid}/exe`).catch(() => undefined)
}

/** Digests by file and change time: an executable of 100 MB is not read at each call. */
const digests = new Map<string, string>()
const MAX_DIGESTS = 64

async function executableDigest(peer: Peer): Promise<string | undefined> {
  // The link leads to the file that runs even if another one has taken its path.
  const file = await open(`/proc/${peer.pid}/exe`).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { dev, ino, size, ctimeNs } = await file.stat({ bigint: true })
    if (size > MAX_EXECUTABLE_BYTES) return undefined
    const version = `${dev}:${ino}:${size}:${ctimeNs}`
    const known = digests.get(version)
    if (known !== undefined) return known
    const hash = createHash('sha256')
    for await (const part of file.createReadStream({ autoClose: false })) {
      hash.update(part as Buffer)
    }
    const digest = hash.digest('hex')
    if (digests.size >= MAX_DIGESTS) digests.clear()
    digests.set(version, digest)
    return digest
  } finally {
    await file.close()
  }
}

/** Field 22 of `/proc/<pid>/stat`; the second field is a name that may hold anything, up to the last `)`. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

/** Whether the process that connected runs; taken for granted where the kernel cannot say. */
function stillRuns(descriptor: number): boolean {
  if (!KNOWS_PIDFD) return true
  const answer = socketOption(descriptor, SO_PEERPIDFD, 4)
  if (answer === undefined) return false
  const pidfd = answer.readInt32LE(0)
  try {
    const info = readFileSync(`/proc/self/fdinfo/${pidfd}`, 'latin1')
    return Number(/^Pid:\s*(-?\d+)$/m.exec(info)?.[1]) > 0
  } finally {
    closeSync(pidfd)
  }
}

/** The socket's file descriptor, which Node keeps but does not show. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } }
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
}
