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
const BLOCK = 512
// A file without content still takes an inode.
const ENTRY = 512

/** The bytes that `paths` and all below them occupy. Never follows a link. */
export async function diskUse(paths: readonly string[]): Promise<number> {
  let [bytes, entries] = [0, 0]
  const waiting = [...paths]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const found = await lstat(path).catch(faultOf)
    if (typeof found === 'string') {
      if (found === 'ENOENT') continue
      return Infinity
    }
    bytes += found.blocks * BLOCK + ENTRY
    if (++entries > MAX_ENTRIES) return Infinity
    if (!found.isDirectory()) continue
    const folder = await opendir(path).catch(faultOf)
    if (typeof folder === 'string') {
      // Whose folder is not ours was not closed by the program, which runs as us.
      if (folder === 'EACCES' && found.uid === getuid?.()) return Infinity
      continue
    }
    for await (const entry of folder) {
      if (waiting.length > MAX_ENTRIES) return Infinity
      waiting.push(join(path, entry.name))
    }
  }
  return bytes
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
