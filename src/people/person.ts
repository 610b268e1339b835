/** People and groups, as everybody else names them. */

import * as z from 'zod'
import { type Id, idSchema } from '../base/id.ts'

/** A person in our records. */
export type PersonId = Id<'per'>
/** A group of people in our records. */
export type GroupId = Id<'grp'>

/** Somebody who can ask, approve, own and answer. */
export interface Person {
  readonly id: PersonId
  /** Unique and never reused: `Person::"alice"` in policies. */
  readonly handle: string
  readonly name: string
  readonly email?: string
  /** An inactive person has no session, and nothing that they delegated stands. */
  readonly active: boolean
  /** Who answers when this person cannot. */
  readonly manager?: PersonId
}

/** People under one name. */
export interface Group {
  readonly id: GroupId
  /** Unique and never reused: `Group::"partners"` in policies. */
  readonly name: string
}

/** Accepts exactly the identifiers of people. */
export const personIdSchema: z.ZodType<PersonId> = idSchema('per')
/** Accepts exactly the identifiers of groups. */
export const groupIdSchema: z.ZodType<GroupId> = idSchema('grp')

const SLUG = /^[a-z][a-z0-9-]{0,62}$/

/**
 * Whether `text` can be a handle or a group's name: lower case letters, digits and hyphens, at most
 * 63. No identifier of ours is one, because those have an underscore.
 */
export function isSlug(text: string): boolean {
  return SLUG.test(text)
}

/** A name for people to read: one to 200 characters, no control or bidirectional formatting ones. */
export const displayName = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]*$/u, 'expected printable text')
