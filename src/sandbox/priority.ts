/** Who goes first when the processor is not enough: `goAfterOthers`. */

import { readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

/** How far behind: as `nice` counts, up to 19. */
export type Nice = 10 | 19

/**
 * Puts a process behind others; false if it is to be tried again. Where the kernel groups by session, the
 * number of a process counts only among those of its own session, so the session is put back too. The
 * kernel takes that from ordinary users ten times a second, from all of them together.
 *
 * @see sched(7), "The autogroup feature"
 */
export function goAfterOthers(pid: number, nice: Nice): boolean {
  const file = `/proc/${pid}/autogroup`
  try {
    setPriority(pid, nice)
    const behind = Number(/nice (-?\d+)/.exec(readFileSync(file, 'latin1'))?.[1])
    if (behind < nice) writeFileSync(file, String(nice), { flag: 'r+' })
    return true
  } catch (fault) {
    // It ended already, or there are no such groups.
    return (fault as NodeJS.ErrnoException).code !== 'EAGAIN'
  }
}
