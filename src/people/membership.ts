/** Groups and who belongs to them: `createGroup`, `addMember`, `removeMember`. */

import { append } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store } from '../store/store.ts'
import { ADMINISTRATORS, leavesAdministrator } from './administrators.ts'
import {
  deleteMember,
  findPerson,
  groupsOf,
  insertGroup,
  insertMember,
  lockGroup,
  lockPerson,
} from './people-store.ts'
import { type Group, isSlug } from './person.ts'

interface Env {
  readonly store: Store
  readonly clock: Clock
}

/** A group and a person, each by name or identifier. */
export interface MembershipRequest {
  readonly group: string
  readonly person: string
}

/** Adds an empty group. */
export async function createGroup(
  { name }: { readonly name: string },
  by: Actor,
  env: Env & { readonly random: Random },
): Promise<Result<Group, { reason: 'bad_name' | 'name_taken' }>> {
  if (!isSlug(name)) return refuse({ reason: 'bad_name' })
  const group: Group = { id: newId('grp', env), name }
  const time = env.clock.nowMilliseconds()
  return await env.store.transaction(async (tx) => {
    if (!(await insertGroup(tx, group, time))) return refuse({ reason: 'name_taken' })
    const { id } = group
    await append(tx, [{ v: 1, kind: 'group_created', time, by, touches: [id], group: id, name }])
    return ok(group)
  })
}

/** Every call's entry names the groups of whom it is for, and takes no more (`audit/entry.ts`). */
const MOST_GROUPS = 200

/** Adds a person to a group; to 200 at most. */
export async function addMember(
  request: MembershipRequest,
  by: Actor,
  env: Env,
): Promise<
  Result<
    Group,
    { reason: 'unknown_group' | 'unknown_person' | 'already_member' | 'too_many_groups' }
  >
> {
  return await env.store.transaction(async (tx) => {
    // The person before the group, as everybody who locks both.
    const person = await lockPerson(tx, request.person)
    const group = await lockGroup(tx, request.group)
    if (group === undefined) return refuse({ reason: 'unknown_group' })
    if (person === undefined) return refuse({ reason: 'unknown_person' })
    const groups = await groupsOf(tx, person.id)
    if (groups.length >= MOST_GROUPS && !groups.includes(group.id)) {
      return refuse({ reason: 'too_many_groups' })
    }
    const added = await insertMember(tx, group.id, person.id)
    if (!added) return refuse({ reason: 'already_member' })
    await append(tx, [changed('group_member_added', group.id, person.id, { by, ...env })])
    return ok(group)
  })
}

/** Removes a person from a group; not the last active administrator. */
export async function removeMember(
  request: MembershipRequest,
  by: Actor,
  env: Env,
): Promise<
  Result<
    Group,
    { reason: 'unknown_group' | 'unknown_person' | 'not_a_member' | 'last_administrator' }
  >
> {
  return await env.store.transaction(async (tx) => {
    const group = await lockGroup(tx, request.group)
    if (group === undefined) return refuse({ reason: 'unknown_group' })
    const person = await findPerson(tx, request.person)
    if (person === undefined) return refuse({ reason: 'unknown_person' })
    if (group.name === ADMINISTRATORS && !(await leavesAdministrator(tx, person.id))) {
      return refuse({ reason: 'last_administrator' })
    }
    const removed = await deleteMember(tx, group.id, person.id)
    if (!removed) return refuse({ reason: 'not_a_member' })
    await append(tx, [changed('group_member_removed', group.id, person.id, { by, ...env })])
    return ok(group)
  })
}

/** Both are touched: what a person may do hangs on their groups, who may approve on the group's members. */
function changed(
  kind: 'group_member_added' | 'group_member_removed',
  group: Group['id'],
  person: string,
  env: { readonly by: Actor; readonly clock: Clock },
): Parameters<typeof append>[1][number] {
  const time = env.clock.nowMilliseconds()
  return { v: 1, kind, time, by: env.by, touches: [group, person], group, person }
}
