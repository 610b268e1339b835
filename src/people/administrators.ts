/** The group that may administer an installation, and that it never becomes empty. */

import type { Tx } from '../store/store.ts'
import { lockGroup, membersOf } from './people-store.ts'

/** The group that the default administration policy names. */
export const ADMINISTRATORS = 'administrators'

/**
 * Whether an active administrator is left when `handleOrId` is none any more; also true if they are
 * none now. Holds the membership until the transaction ends, so that two cannot remove each other.
 */
export async function leavesAdministrator(tx: Tx, handleOrId: string): Promise<boolean> {
  const group = await lockGroup(tx, ADMINISTRATORS)
  if (group === undefined) return true
  const active = (await membersOf(tx, group.id)).filter((member) => member.active)
  const rest = active.filter((member) => member.id !== handleOrId && member.handle !== handleOrId)
  return rest.length > 0 || rest.length === active.length
}
