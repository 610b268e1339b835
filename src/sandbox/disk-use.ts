/**
 * How much a program keeps on disk: what lies in its folders, and what it deleted and still holds open.
 *
 * Bounded in what it looks at, and suspicious: what cannot be counted (too many files, paths too long,
 * a folder that its owner closed) counts as infinite.
 */

import { readdirSync, statSync } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { getuid } from 'node:process'

const MAX_ENTRIES = 200_000
const AT_ONCE = 64
const BLOCK = 512
/** A file without content still takes an inode. */
export const ENTRY = 512

/** The bytes that `paths` and all below them occupy. Never follows a link. */
export async function diskUse(paths: readonly string[]): Promise<number> {
  let [bytes, entries] = [0, 0]
  const waiting = [...paths]
  while (waiting.length > 0) {
    const part = waiting.splice(-AT_ONCE)
    entries += part.length
    if (entries > MAX_ENTRIES || waiting.length > MAX_ENTRIES) return Infinity
    for (const found of await Promise.all(part.map(entryAt))) {
      bytes += found.bytes
      waiting.push(...found.below)
    }
  }
  return bytes
}

interface Found {
  readonly bytes: number
  readonly below: readonly string[]
}

const NOTHING: Found = { bytes: 0, below: [] }
const UNCOUNTABLE: Found = { bytes: Infinity, below: [] }

async function entryAt(path: string): Promise<Found> {
  const found = await lstat(path).catch(faultOf)
  if (typeof found === 'string') return found === 'ENOENT' ? NOTHING : UNCOUNTABLE
  const bytes = found.blocks * BLOCK + ENTRY
  if (!found.isDirectory()) return { bytes, below: [] }
  const below: string[] = []
  try {
    for await (const { name } of await opendir(path)) {
      if (below.push(join(path, name)) > MAX_ENTRIES) return UNCOUNTABLE
    }
  } catch (fault) {
    // Whose folder is not ours was not closed by the program, which runs as us.
    const closed = faultOf(fault as NodeJS.ErrnoException) === 'EACCES'
    if (closed && found.uid === getuid?.()) return UNCOUNTABLE
  }
  return { bytes, below }
}

/** The bytes of files that `pids` deleted and hold open. */
export function deletedUse(pids: readonly number[]): number {
  const files = new Map<string, number>()
  for (const pid of pids) {
    for (const fd of entriesOf(`/proc/${pid}/fd`)) {
      try {
        const file = statSync(`/proc/${pid}/fd/${fd}`)
        if (file.isFile() && file.nlink === 0) {
          files.set(`${file.dev}:${file.ino}`, file.blocks * BLOCK)
        }
      } catch {
        // Closed meanwhile.
      }
    }
  }
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0)
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function faultOf(cause: NodeJS.ErrnoException): string {
  return cause.code ?? 'unknown'
}
