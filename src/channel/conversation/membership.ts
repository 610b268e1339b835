/**
 * Who takes part: `invite` and `removeMember`. Membership changes; what was said stays, with its author.
 *
 * Nobody gives a role above their own, nobody but the owner makes a lead, and the owner stays. Who is
 * removed directs nobody from then on: what they settled lapses, and their words only inform.
 */

import { ok, refuse, type Result } from '../../base/result.ts'
import type { Participant, Role } from './conversation.ts'
import {
  attend,
  type Attending,
  checkRoom,
  type ConversationEnv,
  isActive,
  type Speaker,
} from './speaking.ts'
import { membersAt } from './transcript.ts'

/** The most who take part at once: so many people a decision asks for. */
const MOST_MEMBERS = 100
/** The most who ever took part: all have a vector of their own, apart from the others' (`keyFor`). */
const MOST_EVER = 250

/** Adds somebody, or gives them another role. */
export async function invite(
  request: {
    readonly conversation: string
    readonly member: Participant
    readonly role: Exclude<Role, 'owner'>
  },
  speaker: Speaker,
  env: ConversationEnv,
): Promise<Result<{ readonly members: ReadonlyMap<Participant, Role> }>> {
  const { conversation, member, role } = request
  const added = await attend(conversation, speaker, env, async (tx, attending) => {
    const room = checkRoom(attending)
    if (!room.ok) return room
    const members = membersAt(attending.transcript)
    if (!mayGive(role, member, attending)) return refuse({ reason: 'not_entitled' })
    if (!(await isActive(tx, member))) return refuse({ reason: 'unknown_member' })
    if (!members.has(member) && (members.size >= MOST_MEMBERS || !isRoomFor(member, attending)))
      return refuse({ reason: 'too_many_members' })
    if (members.get(member)?.role === role) return refuse({ reason: 'same_role' })
    return ok({
      planned: { facts: [{ kind: 'member_added', member, role }] },
      relied: [member],
      value: { members: rolesIn(members).set(member, role) },
    })
  })
  return added.ok ? ok(added.value.value) : added
}

/** Lets somebody go; everybody may go by themselves. */
export async function removeMember(
  request: { readonly conversation: string; readonly member: Participant },
  speaker: Speaker,
  env: ConversationEnv,
): Promise<Result<{ readonly members: ReadonlyMap<Participant, Role> }>> {
  const { conversation, member } = request
  const added = await attend(conversation, speaker, env, async (_tx, attending) => {
    const members = membersAt(attending.transcript)
    const role = members.get(member)?.role
    if (role === undefined) return refuse({ reason: 'unknown_member' })
    const leaves = member === attending.speaker && role !== 'owner'
    if (!leaves && !isAbove(attending.membership.role, role))
      return refuse({ reason: 'not_entitled' })
    const left = rolesIn(members)
    left.delete(member)
    return ok({
      planned: { facts: [{ kind: 'member_removed', member }] },
      value: { members: left },
    })
  })
  return added.ok ? ok(added.value.value) : added
}

/** Whether there is room for one among all who ever took part. */
function isRoomFor(member: Participant, { transcript }: Attending): boolean {
  const ever = new Set<Participant>([transcript.conversation.owner, member])
  for (const event of transcript.events) if (event.kind === 'member_added') ever.add(event.member)
  return ever.size <= MOST_EVER
}

/** Owner and leads convene; each only those, and into roles, that are below their own. */
function mayGive(role: Role, member: Participant, { membership, transcript }: Attending): boolean {
  const current = membersAt(transcript).get(member)?.role
  return (
    isAbove(membership.role, role) && (current === undefined || isAbove(membership.role, current))
  )
}

const ORDER: readonly Role[] = ['guest', 'member', 'lead', 'owner']

function isAbove(one: Role, other: Role): boolean {
  const convenes = one === 'lead' || one === 'owner'
  return convenes && ORDER.indexOf(one) > ORDER.indexOf(other)
}

function rolesIn(members: ReturnType<typeof membersAt>): Map<Participant, Role> {
  return new Map([...members].map(([member, { role }]) => [member, role]))
}
