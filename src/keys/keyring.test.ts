import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { decodeEntry, type Entry } from '../audit/entry.ts'
import { openNote, parseVerifierKey, signNote } from '../audit/note.ts'
import { verifierKeyOf } from '../audit/note-signer.ts'
import { openTestLog } from '../audit/testing.ts'
import type { FakeClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { type SeededRandom, systemRandom } from '../base/random.ts'
import type { Store } from '../store/store.ts'
import { signJws, verifyJws } from './jws.ts'
import { PUBLISHED_AHEAD_MILLISECONDS } from './key-schedule.ts'
import { type Keyring, KEYRING_SUBJECT, openKeyring } from './keyring.ts'
import { migrations } from './migrations.ts'
import { noteSigner } from './note-signer.ts'
import { LONGEST_LIFETIME_SECONDS, PURPOSES } from './signing-key.ts'

interface Env {
  readonly store: Store
  readonly clock: FakeClock
  readonly random: SeededRandom
  readonly masterKey: Uint8Array
}

test('keys are made once and found again', async (t) => {
  const env = await openEnv(t)
  const first = await openKeyring(env)
  const second = await openKeyring(env)
  for (const purpose of PURPOSES) assert.deepEqual(kids(second, purpose), kids(first, purpose))
  const made = (await entries(env.store)).filter(({ kind }) => kind === 'key_rotated')
  assert.equal(made.length, PURPOSES.length)
})

test('replicas that start at once agree', async (t) => {
  const env = await openEnv(t)
  const opened = await Promise.all(Array.from({ length: 4 }, () => openKeyring(env)))
  for (const keyring of opened) assert.deepEqual(kids(keyring, 'issuer'), kids(opened[0], 'issuer'))
})

test('another master key opens nothing', async (t) => {
  const env = await openEnv(t)
  await openKeyring(env)
  await assert.rejects(
    openKeyring({ ...env, masterKey: systemRandom.bytes(32) }),
    /does not open under this master key/,
  )
})

test('a token signed before a rotation verifies after it, at a replica that has not heard of it too', async (t) => {
  const env = await openEnv(t)
  const [here, there] = [await openKeyring(env), await openKeyring(env)]
  const before = signJws(here.active('issuer'), { typ: 'x' }, {})
  await here.rotate('issuer')
  const after = signJws(here.active('issuer'), { typ: 'x' }, {})
  for (const keyring of [here, there]) {
    for (const token of [before, after]) {
      const find = (kid: string) => keyring.find('issuer', kid)?.publicKey
      assert.equal(verifyJws(token, find, { typ: 'x' }).ok, true)
    }
  }
  await there.reload()
  assert.equal(there.active('issuer').kid, here.active('issuer').kid)
})

test('a rotation is recorded, and touches the keyring', async (t) => {
  const env = await openEnv(t)
  const keyring = await openKeyring(env)
  const retired = keyring.active('issuer').kid
  const by = { type: 'person', person: 'per_1', presence: 'session' } as const
  const { kid } = await keyring.rotate('issuer', by)
  assert.deepEqual((await entries(env.store)).at(-1), {
    v: 1,
    kind: 'key_rotated',
    time: env.clock.nowMilliseconds(),
    by,
    touches: [KEYRING_SUBJECT],
    purpose: 'issuer',
    kid,
    retired: [retired],
  })
})

test('rotations at once happen one after the other', async (t) => {
  const env = await openEnv(t)
  const [here, there] = [await openKeyring(env), await openKeyring(env)]
  const promoted = await Promise.all([here.rotate('issuer'), there.rotate('issuer')])
  assert.notEqual(promoted[0].kid, promoted[1].kid)
  await here.reload()
  assert.equal(here.published('issuer').length, 4)
})

test('a key that retired keeps no private part in the database', async (t) => {
  const env = await openEnv(t)
  const keyring = await openKeyring(env)
  const first = keyring.active('issuer').kid
  const second = await keyring.rotate('issuer')
  assert.deepEqual(await signing(env.store, 'issuer'), { [first]: false, [second.kid]: true })
  // The second retires later, when the third was published long enough; the next start erases it.
  await keyring.rotate('issuer')
  assert.equal((await signing(env.store, 'issuer'))[second.kid], true)
  await env.clock.advance(PUBLISHED_AHEAD_MILLISECONDS)
  const reopened = await openKeyring(env)
  assert.equal((await signing(env.store, 'issuer'))[second.kid], false)
  assert.notEqual(reopened.active('issuer').kid, second.kid)
})

test('a key is forgotten when nothing that it signed is valid', async (t) => {
  const env = await openEnv(t)
  const keyring = await openKeyring(env)
  const { kid } = keyring.active('svid_jwt')
  await keyring.rotate('svid_jwt')
  await env.clock.advance((LONGEST_LIFETIME_SECONDS.svid_jwt + 60) * 1_000)
  await openKeyring(env)
  assert.equal(kid in (await signing(env.store, 'svid_jwt')), false)
})

for (const [what, alter] of [
  [
    'moved to another key',
    sql`update signing_key a set sealed = b.sealed from signing_key b where a.purpose = 'issuer' and b.purpose = 'log'`,
  ],
  [
    'given another purpose',
    sql`update signing_key set purpose = 'svid_jwt' where purpose = 'issuer'`,
  ],
  ['said to be public', sql`update signing_key set signs = not signs`],
  ['replaced by a key of somebody else', sql`update signing_key set sealed = '\\x00'::bytea`],
] as const) {
  test(`a row ${what} does not open`, async (t) => {
    const env = await openEnv(t)
    await openKeyring(env)
    await sql`drop index signing_key_next, signing_key_last`.execute(env.store.db)
    await alter.execute(env.store.db)
    await assert.rejects(openKeyring(env), /sealed value/)
  })
}

test('a certificate is kept once, and only for an authority', async (t) => {
  const env = await openEnv(t)
  const keyring = await openKeyring(env)
  const { kid } = keyring.active('svid_ca')
  const [one, two] = [Buffer.from('one'), Buffer.from('two')]
  assert.deepEqual((await keyring.certify(kid, one)).certificate, one)
  assert.deepEqual((await keyring.certify(kid, two)).certificate, one)
  assert.deepEqual((await openKeyring(env)).active('svid_ca').certificate, one)
  await assert.rejects(
    keyring.certify(keyring.active('issuer').kid, one),
    /expected an `svid_ca` key/,
  )
})

test('the log key signs checkpoints that others can verify, and no other key does', async (t) => {
  const env = await openEnv(t)
  const keyring = await openKeyring(env)
  const key = keyring.active('log')
  const note = await signNote('hello\n', [await noteSigner(key, 'acme.example/log')])
  const vkey = await verifierKeyOf('acme.example/log', 'log', key.publicKey)
  const opened = await openNote(note, [must(await parseVerifierKey(vkey))])
  assert.equal(must(opened).text, 'hello\n')
  await assert.rejects(noteSigner(keyring.active('witness'), 'x'), /expected a `log` key/)
})

async function openEnv(t: TestContext): Promise<Env> {
  return { ...(await openTestLog(t, migrations)), masterKey: systemRandom.bytes(32) }
}

function kids(keyring: Keyring | undefined, purpose: (typeof PURPOSES)[number]): string[] {
  return (keyring?.published(purpose) ?? []).map(({ kid }) => kid).toSorted()
}

async function entries(store: Store): Promise<Entry[]> {
  const { rows } = await sql<{ entry: Buffer }>`select entry from log_entry order by index`.execute(
    store.db,
  )
  return rows.map(({ entry }) => decodeEntry(entry))
}

/** Whether each key that was promoted once can still sign, by `kid`. */
async function signing(store: Store, purpose: string): Promise<Record<string, boolean>> {
  const { rows } = await sql<{ kid: string; signs: boolean }>`
    select kid, signs from signing_key where purpose = ${purpose} and signs_from is not null
    order by signs_from`.execute(store.db)
  return Object.fromEntries(rows.map(({ kid, signs }) => [kid, signs]))
}
