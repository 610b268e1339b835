/** Reads a version back and believes it only as far as it was signed. */

import type { PolicySources } from '../decision/compile.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Tx } from '../store/store.ts'
import { lastDryRun, readReview, readTexts, readVersion, type KeptDryRun } from './policy-store.ts'
import { verify, type Claims } from './signed-version.ts'
import { testsDigest, type PolicyId, type PolicyVersion } from './version.ts'

/** A version with everything that was kept about it. */
export interface LoadedVersion {
  readonly version: PolicyVersion
  readonly sources: PolicySources
  readonly review?: Claims<'policy-review+jwt'>
  readonly dryRun?: KeptDryRun
}

/** The version, undefined if there is none. One that is not as it was signed is a fault. */
export async function loadVersion(
  tx: Tx,
  id: string,
  env: { readonly keyring: Keyring },
): Promise<LoadedVersion | undefined> {
  const found = await readVersion(tx, id)
  if (found === undefined) return undefined
  const { version, signed } = found
  const claims = verify('policy-version+jwt', signed, env)
  const holds =
    claims.ok &&
    claims.value.jti === version.id &&
    claims.value.sub === version.author &&
    claims.value.version === version.version &&
    claims.value.base === version.base &&
    claims.value.tests === testsDigest(version.tests) &&
    Object.entries(claims.value.sets).every(
      ([name, digest]) => version.sets[name as keyof PolicyVersion['sets']] === digest,
    )
  if (!holds) throw new Error(`policy version \`${version.id}\` is not as it was signed`)
  const [review, dryRun] = [await reviewOf(tx, version, env), await lastDryRun(tx, version.id)]
  return {
    version,
    sources: await readTexts(tx, version.sets),
    ...(review !== undefined && { review }),
    ...(dryRun !== undefined && { dryRun }),
  }
}

async function reviewOf(
  tx: Tx,
  { id, version }: { readonly id: PolicyId; readonly version: string },
  env: { readonly keyring: Keyring },
): Promise<Claims<'policy-review+jwt'> | undefined> {
  const signed = await readReview(tx, id)
  if (signed === undefined) return undefined
  const claims = verify('policy-review+jwt', signed, env)
  if (!claims.ok || claims.value.jti !== id || claims.value.version !== version) {
    throw new Error(`the review of policy version \`${id}\` is not as it was signed`)
  }
  return claims.value
}
