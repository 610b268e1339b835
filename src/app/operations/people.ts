/** People, groups and sessions: the operations of `api/people.ts`. */

import { ok, refuse } from '../../base/result.ts'
import { setRotation } from '../../accountability/set-rotation.ts'
import { endSession } from '../../people/authenticate-session.ts'
import { createPerson } from '../../people/create-person.ts'
import { addMember, createGroup, removeMember } from '../../people/membership.ts'
import { findGroup, findPerson, listGroups, listPeople } from '../../people/people-store.ts'
import { assignManager, deactivatePerson, reactivatePerson } from '../../people/person-state.ts'
import { personActor } from '../../people/session.ts'
import { issueSignInCode, signIn } from '../../people/sign-in.ts'
import type { Handlers } from '../api-endpoint.ts'
import { DONE, done, resolveAll } from './shared.ts'

/** Handlers by operation. */
export const peopleHandlers: Pick<
  Handlers,
  | 'signIn'
  | 'showSession'
  | 'signOut'
  | 'createPerson'
  | 'listPeople'
  | 'deactivatePerson'
  | 'reactivatePerson'
  | 'assignManager'
  | 'issueCode'
  | 'createGroup'
  | 'listGroups'
  | 'addMember'
  | 'removeMember'
  | 'setRotation'
> = {
  signIn: { run: async (input, _asker, env) => await signIn(input, env) },
  showSession: { run: async (_input, session) => ok(session) },
  signOut: { run: async (_input, session, env) => done(await endSession(session, env)) },

  createPerson: {
    run: async ({ email, ...rest }, session, env) =>
      await createPerson(
        { ...rest, ...(email !== undefined && { email }) },
        personActor(session),
        env,
      ),
  },
  listPeople: {
    run: async (_input, _session, env) => ok({ people: await env.store.snapshot(listPeople) }),
  },
  deactivatePerson: {
    run: async ({ id, reason }, session, env) =>
      done(
        await deactivatePerson(
          { person: id, ...(reason !== undefined && { reason }) },
          personActor(session),
          env,
        ),
      ),
  },
  reactivatePerson: {
    run: async ({ id }, session, env) =>
      done(await reactivatePerson({ person: id }, personActor(session), env)),
  },
  assignManager: {
    run: async ({ id, manager }, session, env) =>
      done(await assignManager({ person: id, manager }, personActor(session), env)),
  },
  issueCode: {
    run: async ({ id }, session, env) => {
      const issued = await issueSignInCode({ person: id }, personActor(session), env)
      return issued.ok
        ? ok({ code: issued.value.code, expiresAt: issued.value.expiresAt * 1_000 })
        : issued
    },
  },

  createGroup: {
    run: async (input, session, env) => {
      const made = await createGroup(input, personActor(session), env)
      return made.ok ? ok({ ...made.value, members: [] }) : made
    },
  },
  listGroups: {
    run: async (_input, _session, env) => ok({ groups: await env.store.snapshot(listGroups) }),
  },
  addMember: {
    run: async ({ id, person }, session, env) =>
      done(await addMember({ group: id, person }, personActor(session), env)),
  },
  removeMember: {
    run: async ({ id, person }, session, env) =>
      done(await removeMember({ group: id, person }, personActor(session), env)),
  },
  setRotation: {
    run: async ({ id, members, ...when }, session, env) => {
      const people = await resolveAll(members, env, findPerson, 'unknown_person')
      if (!people.ok) return people
      const group = await resolveAll([id], env, findGroup, 'unknown_group')
      if (!group.ok) return group
      const [found] = group.value
      if (found === undefined) return refuse({ reason: 'unknown_group' })
      const rotation = { members: people.value.map((person) => person.id), ...when }
      const set = await setRotation({ group: found.id, rotation }, personActor(session), env)
      return set.ok ? DONE : set
    },
  },
}
