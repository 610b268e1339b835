/**
 * What others need to verify our SVIDs: `spiffeBundle` is the document of the bundle endpoint,
 * `x509Bundle` and `jwtBundle` are its two parts as the Workload API hands them out.
 *
 * @see SPIFFE Trust Domain and Bundle §4, X509-SVID §6, JWT-SVID §6
 */

import { sql } from 'kysely'
import { digestOfJson } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Store, Tx } from '../store/store.ts'
import { type AuthorityEnv, trustedRoots } from './authority.ts'

/** A JWK Set with what SPIFFE adds to it. */
export type SpiffeBundle = {
  readonly keys: readonly JsonObject[]
  /** Greater whenever the keys are others than before. */
  readonly spiffe_sequence: number
  /** Seconds after which consumers should look again. */
  readonly spiffe_refresh_hint: number
}

/** The keyring publishes a key 300 s before it signs: five looks ahead (SPIFFE Federation §4.2.6). */
const REFRESH_HINT_SECONDS = 60

/** The bundle of our trust domain. */
export async function spiffeBundle(
  env: AuthorityEnv & { readonly store: Store },
): Promise<SpiffeBundle> {
  const keys = [...(await x509Keys(env)), ...jwtKeys(env)]
  const digest = digestOfJson(keys)
  return {
    keys,
    spiffe_sequence: await env.store.transaction((tx) => sequenceOf(tx, digest)),
    spiffe_refresh_hint: REFRESH_HINT_SECONDS,
  }
}

/** The roots of our trust domain: DER certificates, one after the other. */
export async function x509Bundle(env: AuthorityEnv): Promise<Buffer> {
  return Buffer.concat((await trustedRoots(env)).map(({ certificate }) => certificate))
}

/** The keys behind our JWT-SVIDs as a JWK Set, and no others (Workload API §6.2.2). */
export function jwtBundle(env: Pick<AuthorityEnv, 'keyring'>): { keys: JsonObject[] } {
  return { keys: jwtKeys(env) }
}

async function x509Keys(env: AuthorityEnv): Promise<JsonObject[]> {
  return (await trustedRoots(env)).map(({ publicKey, certificate }) => {
    const { kty = '', crv = '', x = '', y = '' } = publicKey.export({ format: 'jwk' })
    // X509-SVID §6.1: one certificate in `x5c`, and no `kid`.
    return { use: 'x509-svid', kty, crv, x, y, x5c: [certificate.toString('base64')] }
  })
}

function jwtKeys({ keyring }: Pick<AuthorityEnv, 'keyring'>): JsonObject[] {
  return keyring.published('svid_jwt').map(({ publicJwk: { kid, kty, crv, x, y } }) => ({
    use: 'jwt-svid',
    kid,
    kty,
    crv,
    x,
    y,
  }))
}

/** Trust Domain and Bundle §4.1.1: the number grows whenever the content is another one. */
async function sequenceOf(tx: Tx, digest: string): Promise<number> {
  const known = await sql<{ sequence: number; digest: string }>`
    select sequence, digest from spiffe_bundle`.execute(tx)
  if (known.rows[0]?.digest === digest) return known.rows[0].sequence
  const { rows } = await sql<{ sequence: number }>`
    insert into spiffe_bundle as held (one, sequence, digest) values (true, 1, ${digest})
    on conflict (one) do update
      set sequence = held.sequence + (held.digest <> excluded.digest)::int,
          digest = excluded.digest
    returning sequence`.execute(tx)
  const [row] = rows
  if (row === undefined) throw new Error('expected a row in `spiffe_bundle`, got none')
  return row.sequence
}
