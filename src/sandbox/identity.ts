/**
 * Whom a program runs as, and what that user may reach.
 *
 * Started as root we never stay it: the program becomes the owner of what it may write, else a user of its
 * own, else nobody. An ordinary user's programs are that user's, apart by their namespaces alone.
 */

import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { getuid } from 'node:process'
import { sha256 } from '../base/bytes.ts'
import type { Mount } from './mounts.ts'

/** A user and a group to become. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

/** Who owns nothing. */
export const NOBODY: Identity = { uid: 65_534, gid: 65_534 }
// Far above what people, services and containers are given.
const [FIRST, COUNT] = [0x4000_0000, 0x1000_0000]

/** Whom to become first; undefined for an ordinary user, who can become nobody else. */
export async function identityFor(
  mounts: readonly Mount[],
  label: string | undefined,
): Promise<Identity | undefined> {
  if (getuid?.() !== 0) return undefined
  const writable = mounts.filter((mount) => mount.writable)
  const owners = await Promise.all(
    writable.map(async ({ real }) => await stat(real).catch(() => undefined)),
  )
  const [first] = owners
  if (first !== undefined && first.uid !== 0 && owners.every((each) => each?.uid === first.uid)) {
    return { uid: first.uid, gid: first.gid === 0 ? NOBODY.gid : first.gid }
  }
  return label === undefined ? NOBODY : userOf(label)
}

/** The same user for the same label, always: what it wrote yesterday stays its own. */
function userOf(label: string): Identity {
  const id = FIRST + (sha256(label).readUInt32BE(0) % COUNT)
  return { uid: id, gid: id }
}

/** Why `identity` may not use `path`; undefined when it may. Access lists beyond the mode do not count. */
export async function closedTo(
  path: string,
  writable: boolean,
  identity: Identity | undefined,
): Promise<string | undefined> {
  if (identity === undefined) {
    const mode = writable ? constants.R_OK | constants.W_OK : constants.R_OK
    return await access(path, mode).then(
      () => undefined,
      () => `\`${path}\`: expected to be allowed to ${writable ? 'write' : 'read'} it`,
    )
  }
  for (let folder = dirname(path); folder !== '/'; folder = dirname(folder)) {
    if (!(await allows(folder, 1, identity))) return said(folder, 'enter', identity)
  }
  if (!(await allows(path, 4, identity))) return said(path, 'read', identity)
  if (writable && !(await allows(path, 2, identity))) return said(path, 'write', identity)
  return undefined
}

async function allows(path: string, bit: number, { uid, gid }: Identity): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return false
  const shift = found.uid === uid ? 6 : found.gid === gid ? 3 : 0
  return ((found.mode >> shift) & bit) !== 0
}

function said(path: string, verb: string, { uid }: Identity): string {
  return `\`${path}\`: expected user ${uid}, as whom the program runs, to be allowed to ${verb} it`
}
