/** People, groups, sessions. Rows of the table in `operations.ts`. */

import * as z from 'zod'
import {
  done,
  id,
  instant,
  nothing,
  operation,
  reasonText,
  reference,
  seconds,
  slug,
} from './operation.ts'

const person = z.object({
  id: z.string(),
  handle: z.string(),
  name: z.string(),
  email: z.string().optional(),
  active: z.boolean(),
  manager: z.string().optional(),
})

const group = z.object({ id: z.string(), name: z.string(), members: z.array(z.string()) })

const session = z.object({
  id: z.string(),
  person: z.string(),
  handle: z.string(),
  presence: z.string(),
  authTime: seconds,
  expiresAt: seconds,
})

export const signIn = operation({
  id: 'session.create',
  asker: 'anyone',
  method: 'POST',
  path: '/session',
  summary: 'Sign in with a one-time code.',
  input: z.strictObject({ code: z.string().min(8).max(200) }),
  output: z.object({ token: z.string(), session }),
})

export const showSession = operation({
  id: 'session.show',
  asker: 'person',
  method: 'GET',
  path: '/session',
  summary: 'Who is signed in.',
  input: nothing,
  output: session,
})

export const signOut = operation({
  id: 'session.end',
  asker: 'person',
  method: 'DELETE',
  path: '/session',
  summary: 'Sign out.',
  input: nothing,
  output: done,
})

export const createPerson = operation({
  id: 'person.create',
  asker: 'person',
  method: 'POST',
  path: '/people',
  summary: 'Add a person.',
  input: z.strictObject({
    handle: slug,
    name: z.string().min(1).max(200),
    email: z.email().optional(),
  }),
  output: person,
})

export const listPeople = operation({
  id: 'person.list',
  asker: 'person',
  method: 'GET',
  path: '/people',
  summary: 'List people.',
  input: nothing,
  output: z.object({ people: z.array(person) }),
})

export const deactivatePerson = operation({
  id: 'person.deactivate',
  asker: 'person',
  method: 'POST',
  path: '/people/{id}/deactivate',
  summary: 'Deactivate a person: sessions end, delegations no longer stand.',
  input: id.extend({ reason: reasonText.optional() }),
  output: done,
})

export const reactivatePerson = operation({
  id: 'person.reactivate',
  asker: 'person',
  method: 'POST',
  path: '/people/{id}/reactivate',
  summary: 'Reactivate a person.',
  input: id,
  output: done,
})

export const assignManager = operation({
  id: 'person.manager',
  asker: 'person',
  method: 'POST',
  path: '/people/{id}/manager',
  summary: 'Say who answers when this person cannot.',
  input: id.extend({ manager: reference.nullable() }),
  output: done,
})

export const issueCode = operation({
  id: 'person.code',
  asker: 'person',
  method: 'POST',
  path: '/people/{id}/code',
  summary: 'Issue a one-time sign-in code.',
  input: id,
  output: z.object({ code: z.string(), expiresAt: instant }),
})

export const createGroup = operation({
  id: 'group.create',
  asker: 'person',
  method: 'POST',
  path: '/groups',
  summary: 'Add a group.',
  input: z.strictObject({ name: slug }),
  output: group,
})

export const listGroups = operation({
  id: 'group.list',
  asker: 'person',
  method: 'GET',
  path: '/groups',
  summary: 'List groups with their members.',
  input: nothing,
  output: z.object({ groups: z.array(group) }),
})

export const addMember = operation({
  id: 'group.add',
  asker: 'person',
  method: 'POST',
  path: '/groups/{id}/members',
  summary: 'Add a member to a group.',
  input: id.extend({ person: reference }),
  output: done,
})

export const removeMember = operation({
  id: 'group.remove',
  asker: 'person',
  method: 'DELETE',
  path: '/groups/{id}/members/{person}',
  summary: 'Remove a member from a group.',
  input: id.extend({ person: reference }),
  output: done,
})

export const setRotation = operation({
  id: 'group.rotation',
  asker: 'person',
  method: 'POST',
  path: '/groups/{id}/rotation',
  summary: 'Set who of the group answers when.',
  input: id.extend({
    members: z.array(reference).min(1).max(200),
    start: z.string().max(80),
    timeZone: z.string().max(80),
    shift: z.string().max(40),
  }),
  output: done,
})
