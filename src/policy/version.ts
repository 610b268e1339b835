/**
 * A version of the policies: the texts of all five sets and the tests that came with them, by whom, why,
 * and instead of what. Immutable from the moment that it is proposed.
 *
 * `propose.ts` makes one, `dry-run.ts` tries it on the record, `review.ts` has a second person judge it,
 * `activate.ts` puts it in force.
 */

import * as z from 'zod'
import { digestOfJson, type Digest } from '../base/bytes.ts'
import { idSchema, type Id } from '../base/id.ts'
import { SET_NAMES, type SetName } from '../decision/policy-set.ts'

/** Identifies a version. The same texts proposed twice are two versions with one digest. */
export type PolicyId = Id<'pol'>

/** A string that is a policy identifier. */
export const policyIdSchema = idSchema('pol')

/** A string that is a digest. */
export const digestSchema = z.custom<Digest>((value) => /^sha256:[0-9a-f]{64}$/.test(String(value)))

/** The digests of all sets. */
export const setsSchema = z.record(z.enum(SET_NAMES), digestSchema)

/** The tests and properties of a version: file name → text of a `*.test.json` or `*.property.json` file. */
export type TestTexts = Readonly<Record<string, string>>

/** A version as it was proposed. */
export interface PolicyVersion {
  readonly id: PolicyId
  /** The digest of all sets, as decisions and the log name it. */
  readonly version: Digest
  readonly sets: Readonly<Record<SetName, Digest>>
  readonly tests: TestTexts
  /** `per_…`, or `system` for the policies that come with the product. */
  readonly author: string
  readonly summary: string
  /** The version that was in force when it was proposed, which it is to replace. */
  readonly base?: Digest
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

/** How a version may come into force. */
export const MODES = ['default', 'first', 'dual', 'single_operator', 'narrowing_rollback'] as const
/**
 * By what right a version is in force: `dual` is the rule; `default` are the product's own, `first` the
 * first of an installation in which nobody else could review, `single_operator` the mode that says so,
 * `narrowing_rollback` a version that was in force before and certainly permits no more.
 */
export type Mode = (typeof MODES)[number]

/** The digest under which a version's tests are signed. */
export function testsDigest(tests: TestTexts): Digest {
  return digestOfJson(tests)
}
