/** What tests of rooms that write to the log start from. */

import { createHash, createPrivateKey, type KeyObject } from 'node:crypto'
import type { TestContext } from 'node:test'
import { sha256 } from '../base/bytes.ts'
import { FakeClock } from '../base/clock.ts'
import { SeededRandom } from '../base/random.ts'
import { must } from '../base/result.ts'
import type { Migration, Store } from '../store/store.ts'
import { testStore } from '../store/testing.ts'
import { append } from './append.ts'
import { type CheckpointEnv, signCheckpoint } from './checkpoint.ts'
import { joinBundle } from './entry-bundle.ts'
import { type Actor, encodeEntry, type Entry, type EntryOf } from './entry.ts'
import type { HighWaterMark } from './high-water-mark.ts'
import { migrations } from './migrations.ts'
import { logSigner, verifierKeyOf } from './note-signer.ts'
import { type NoteSigner, type NoteVerifier, parseVerifierKey, signNote } from './note.ts'
import { storeTileSource } from './tile-source.ts'
import { growTree, joinTile, TILE_WIDTH, tilePath, type TileSource } from './tile.ts'
import { formatTreeHead, type TreeHead } from './tree-head.ts'
import { leafInput, rootOf } from './tree.ts'
import { openVault, type Vault } from './vault.ts'
import { verifyLog } from './verify.ts'

/** A log in a database of the test's own. */
export interface TestLog extends CheckpointEnv {
  readonly store: Store
  readonly vault: Vault
  readonly clock: FakeClock
  readonly random: SeededRandom
  /** The log's verifier key. */
  readonly vkey: string
}

/** The name of the log that tests sign for. */
export const TEST_ORIGIN = 'log.example/behalf'

/** Opens an empty log with the tables of the log and of `more`; it ends with the test. */
export async function openTestLog(
  t: TestContext,
  more: readonly Migration[] = [],
): Promise<TestLog> {
  const clock = new FakeClock()
  const random = new SeededRandom(t.name)
  const store = await testStore(t, [...migrations, ...more])
  const key = testKey('log')
  return {
    store,
    clock,
    random,
    vault: openVault({ random, clock }),
    signer: await logSigner(TEST_ORIGIN, key),
    vkey: await verifierKeyOf(TEST_ORIGIN, 'log', key),
    highWater: memoryHighWaterMark(),
  }
}

/** Appends so many entries. */
export async function growTestLog(
  log: { readonly store: Store },
  count: number,
  name = 'grp',
): Promise<void> {
  const entries = Array.from({ length: count }, (_, i) => testEntry(`${name}_${i}`))
  await log.store.transaction((tx) => append(tx, entries))
}

/** What came of one turn of the checkpointer: `signed 7`, or why nothing was signed. */
export async function turnOf(env: CheckpointEnv): Promise<string> {
  const result = await signCheckpoint(env)
  if (!result.ok) return result.error.reason
  const { value } = result
  return value.outcome === 'signed' ? `signed ${value.head.size}` : value.outcome
}

/** What a verifier says who saw the checkpoint `since`: `7 verified`, or what is wrong, and with which entry. */
export async function verdictOf(log: TestLog, since?: string): Promise<string> {
  const trust = { log: log.vkey, ...(since === undefined ? {} : { since }) }
  const result = await verifyLog(storeTileSource(log.store), trust, { sha256 })
  if (result.ok) return `${result.value.size} verified`
  return [result.error.reason, result.error.index].filter((w) => w !== undefined).join(' ')
}

/** Whom a reader trusts: the log, and the witness `witness.example` with the key `witness`. */
export async function testTrust(
  log: TestLog,
): Promise<{ readonly log: NoteVerifier; readonly witnesses: readonly NoteVerifier[] }> {
  const witness = await verifierKeyOf('witness.example', 'witness', testKey('witness'))
  return {
    log: must(await parseVerifierKey(log.vkey)),
    witnesses: [must(await parseVerifierKey(witness))],
  }
}

/** An Ed25519 key: the same name gives the same key. */
export function testKey(name: string): KeyObject {
  // RFC 8410 §7: the fixed part of a PKCS#8 Ed25519 key; the seed follows it.
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
  const seed = createHash('sha256').update(name).digest()
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' })
}

/** A high-water mark that is forgotten with the process. */
export function memoryHighWaterMark(): HighWaterMark {
  let mark: TreeHead | undefined
  return {
    read: async () => mark,
    raise: async (head) => {
      mark = head
    },
  }
}

/** A log of entries, or of bytes that are none, in memory: its resources by path, to be altered at will. */
export async function memoryLog(
  entries: readonly (Entry | Uint8Array)[],
  signer: NoteSigner,
): Promise<{ files: Map<string, Uint8Array>; source: TileSource; checkpoint: string }> {
  const bytes = entries.map((e) => (e instanceof Uint8Array ? e : encodeEntry(e)))
  const leaves = bytes.map((entry) => sha256(leafInput(entry)))
  const { tiles } = await growTree({ size: 0, edge: [] }, leaves, sha256)
  const files = new Map<string, Uint8Array>()
  for (const { level, index, hashes } of tiles) {
    files.set(tilePath({ level, index, width: hashes.length }), joinTile(hashes))
  }
  for (let index = 0; index * TILE_WIDTH < bytes.length; index++) {
    const bundle = bytes.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH)
    files.set(tilePath({ level: 'entries', index, width: bundle.length }), joinBundle(bundle))
  }
  const head = { size: entries.length, root: await rootOf(leaves, sha256) }
  const checkpoint = await signNote(formatTreeHead(signer.name, head), [signer])
  files.set('checkpoint', Buffer.from(checkpoint))
  return { files, checkpoint, source: async (path) => files.get(path) }
}

/** A program of ours as the actor of an entry. */
export const testActor: Actor = { type: 'system', part: 'test' }

const common = { v: 1, time: 1_767_225_600_000, by: testActor } as const

/** An entry of a harmless kind; `touches` what the test names. */
export function testEntry(group: string, touches?: readonly string[]): Entry {
  const entry = { ...common, kind: 'group_created', group, name: group } as const
  return touches === undefined ? entry : { ...entry, touches: [...touches] }
}

const sealed = { sealed: `sha256:${'a'.repeat(64)}`, bytes: 1 }

/** A delegation of Alice's, below `parent` where it is named. */
export function testCreated(delegation: string, parent?: string): EntryOf<'delegation_created'> {
  return {
    ...common,
    kind: 'delegation_created',
    delegation,
    person: 'per_alice',
    delegate: { archetype: 'clerk', agent: 'agt_1' },
    ...(parent !== undefined && { parent }),
    purpose: sealed,
    details: sealed,
    stages: [],
    stage: null,
    expiresAt: 1_767_229_200,
  }
}

/** A call that every constraint permits, by agent `agt_1` under `dlg_1` unless `more` says otherwise. */
export function testIntended(
  call: string,
  more: Partial<EntryOf<'call_intended'>> = {},
): EntryOf<'call_intended'> {
  return {
    ...common,
    kind: 'call_intended',
    call,
    delegation: 'dlg_1',
    person: 'per_alice',
    agents: ['agt_1'],
    server: 'srv_docs',
    serverName: 'docs',
    action: 'tools/call:read_text_file',
    stage: null,
    verdicts: [],
    readAt: 0,
    relied: ['dlg_1'],
    expiresAt: 1_767_225_900_000,
    ...more,
  }
}

/** The outcome of a call that was intended by the entry `intended`. */
export function testOutcome(
  call: string,
  intended: number,
  more: Partial<EntryOf<'call_outcome'>> = {},
): EntryOf<'call_outcome'> {
  return {
    ...common,
    kind: 'call_outcome',
    call,
    intended,
    delegation: 'dlg_1',
    outcome: 'ok',
    milliseconds: 3,
    ...more,
  }
}
