/** Lets a program stand still for a moment, all of it: `halt`. */

import { kill } from 'node:process'
import { isStopped, treeUse, type TreeUse } from './process-tree.ts'

const ROUNDS = 4

/**
 * Stops what is below `root`, and what it starts meanwhile; the result lets it go on. Parents stop first and go
 * on last, so that none of them ever finds a child stopped. What it stopped itself stays so. A program that
 * wakes its own again only has itself to blame: it is measured while it runs.
 */
export async function halt(root: number, tree: TreeUse | undefined): Promise<() => void> {
  const stopped: number[] = []
  let pids = tree?.pids ?? [root]
  for (let round = 0; round < ROUNDS; round++) {
    const fresh = pids.filter((pid) => !stopped.includes(pid) && !isStopped(pid))
    if (fresh.length === 0) break
    for (const pid of fresh) send(pid, 'SIGSTOP')
    stopped.push(...fresh)
    pids = (await treeUse(root, async () => {}))?.pids ?? []
  }
  return () => {
    for (const pid of stopped.toReversed()) send(pid, 'SIGCONT')
  }
}

function send(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    kill(pid, name)
  } catch {
    // It ended already.
  }
}
