/**
 * What a host that was killed left behind, and its removal. Call `sweep` before the first program.
 *
 * There is no state file to lose: every jail's host name, every T0 process's title, every control group and
 * every scratch folder carries its host's mark, and a mark whose host is gone is swept. Namespaces and
 * mounts end with their processes.
 */

import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pid as ownPid } from 'node:process'
import { GROUP_FOLDERS, removed } from './cgroup.ts'
import { signal } from './launch.ts'
import { startedAt } from './process-tree.ts'

/** What was removed. */
export interface Swept {
  readonly processes: number
  readonly groups: number
  readonly folders: number
}

const MARK = /\bhost-(\d+)-(\d+)-(\d+)\b/
/** Where T0's scratch folders lie. */
export const SCRATCH_PARENT = '/tmp'
/** What the name of each begins with. */
export const SCRATCH_PREFIX = 'behalf-scratch-'

/** This process, named for good: its namespace of numbers, its number, and when it started. */
export function hostMark(): string {
  return `host-${namespaceOf()}-${ownPid}-${startedAt(ownPid) ?? 0}`
}

/** Ends and removes what hosts that are gone left behind. What other users own is left to them. */
export function sweep(): Swept {
  const processes = entriesOf('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => orphaned(markIn(commandLine(name))))
    .map(Number)
  processes.forEach(signal)
  const groups = GROUP_FOLDERS.flatMap((parent) =>
    entriesOf(parent)
      .filter((name) => orphaned(name))
      .map((name) => join(parent, name)),
  )
  const folders = entriesOf(SCRATCH_PARENT)
    .filter((name) => name.startsWith(SCRATCH_PREFIX) && orphaned(name))
    .map((name) => join(SCRATCH_PARENT, name))
  return {
    processes: processes.length,
    groups: groups.filter(emptied).length,
    folders: folders.filter(deleted).length,
  }
}

/** Whether `text` has the mark of a host of this namespace that is gone. */
function orphaned(text: string | undefined): boolean {
  const [, namespace, pid, started] = MARK.exec(text ?? '') ?? []
  if (namespace !== namespaceOf() || pid === undefined) return false
  return startedAt(Number(pid)) !== started
}

/** The mark in a command line of our own making: behind bubblewrap's `--hostname` or in Node's `--title`. */
function markIn(argv: readonly string[]): string | undefined {
  const title = argv.find((arg) => arg.startsWith('--title=host-'))
  if (title !== undefined) return title
  const at = argv.indexOf('--hostname')
  return at === -1 || at > MAX_DEPTH ? undefined : argv[at + 1]
}

// Before any argument that is not ours.
const MAX_DEPTH = 8
const TRIES = 50

function emptied(folder: string): boolean {
  for (let i = 0; i < TRIES; i++) if (removed(folder)) return true
  return false
}

function deleted(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true })
    return true
  } catch {
    return false
  }
}

function namespaceOf(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
  } catch {
    return '0'
  }
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
