/** Who has a group's duty: `setRotation` for the rule, `setOverride` for an exception. */

import { append } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import { type Clock, nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { findPerson, lockGroup, membersOf } from '../people/people-store.ts'
import type { GroupId } from '../people/person.ts'
import type { Store, Tx } from '../store/store.ts'
import { insertOverride, type Override, writeRotation } from './accountability-store.ts'
import { parseRotation, type RotationRefusal, type RotationTerms, termsOf } from './rotation.ts'

interface Env {
  readonly store: Store
  readonly clock: Clock
}

/** Sets the rotation of a group (name or identifier), or none (`null`). Only its members take turns. */
export async function setRotation(
  request: { readonly group: string; readonly rotation: RotationTerms | null },
  by: Actor,
  env: Env,
): Promise<Result<undefined, RotationRefusal | { reason: 'unknown_group' | 'not_a_member' }>> {
  const rotation = request.rotation === null ? ok(null) : parseRotation(request.rotation)
  if (!rotation.ok) return rotation
  const terms = rotation.value === null ? null : termsOf(rotation.value)
  return await env.store.transaction(async (tx) => {
    const group = (await lockGroup(tx, request.group))?.id
    if (group === undefined) return refuse({ reason: 'unknown_group' })
    if (!(await areMembers(tx, group, terms?.members ?? [])))
      return refuse({ reason: 'not_a_member' })
    await writeRotation(tx, group, terms)
    await append(tx, [
      {
        v: 1,
        kind: 'rotation_set',
        time: env.clock.nowMilliseconds(),
        by,
        touches: [group],
        group,
        rotation: terms === null ? null : { ...terms, members: [...terms.members] },
      },
    ])
    return ok()
  })
}

/** Why there is no override. */
export interface OverrideRefusal {
  readonly reason: 'unknown_group' | 'not_a_member' | 'person_inactive' | 'bad_period'
}

const LONGEST_OVERRIDE_SECONDS = 366 * 86_400

/** Gives a group's duty to one active member for a while; of several overrides the one set last counts. */
export async function setOverride(
  request: Omit<Override, 'group'> & { readonly group: string },
  by: Actor,
  env: Env,
): Promise<Result<undefined, OverrideRefusal>> {
  const { person, from, until } = request
  const now = nowSeconds(env.clock)
  if (!isPeriod(from, until, now)) return refuse({ reason: 'bad_period' })
  return await env.store.transaction(async (tx) => {
    const group = (await lockGroup(tx, request.group))?.id
    if (group === undefined) return refuse({ reason: 'unknown_group' })
    if (!(await areMembers(tx, group, [person]))) return refuse({ reason: 'not_a_member' })
    if ((await findPerson(tx, person))?.active !== true)
      return refuse({ reason: 'person_inactive' })
    await insertOverride(tx, { group, person, from, until }, now)
    const time = env.clock.nowMilliseconds()
    const touches = [group]
    await append(tx, [
      { v: 1, kind: 'override_set', time, by, touches, group, person, from, until },
    ])
    return ok()
  })
}

function isPeriod(from: number, until: number, now: number): boolean {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(until) || from < 0) return false
  return until > from && until > now && until - from <= LONGEST_OVERRIDE_SECONDS
}

async function areMembers(tx: Tx, group: GroupId, people: readonly string[]): Promise<boolean> {
  const members = new Set<string>((await membersOf(tx, group)).map((member) => member.id))
  return people.every((person) => members.has(person))
}
