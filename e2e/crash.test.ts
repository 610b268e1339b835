/**
 * The server is killed at seeded moments of a running story and started again on the same home.
 *
 * Afterwards: every invariant holds; nothing that was acknowledged is missing; no call reached its server
 * twice or unrecorded; what was recorded and not answered is `unknown`. `CRASHES` says how often (10
 * unless told; 50 take some minutes), `CRASH_SEED` when.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkApprovals } from '../src/approval/check-approvals.ts'
import { allApprovals } from '../src/approval/approval-store.ts'
import { checkLog } from '../src/audit/check-log.ts'
import { callsWithoutOutcome, entriesBetween } from '../src/audit/queries.ts'
import { openVault } from '../src/audit/vault.ts'
import { systemClock } from '../src/base/clock.ts'
import { silentDiagnostics } from '../src/base/diagnostics.ts'
import { SeededRandom, systemRandom } from '../src/base/random.ts'
import { checkDelegations } from '../src/delegation/check-delegations.ts'
import { allDelegations } from '../src/delegation/delegation-store.ts'
import { checkCalls } from '../src/gateway/check-calls.ts'
import { openKeyring } from '../src/keys/keyring.ts'
import { loadMasterKey } from '../src/keys/master-key.ts'
import { logSize } from '../src/store/changes.ts'
import { startEmbeddedPostgres } from '../src/store/embedded.ts'
import { openStore } from '../src/store/open-store.ts'
import type { Store } from '../src/store/store.ts'
import { type RunningServer, startServer } from '../scripts/start-server.ts'
import { startCountingServer } from './counting-server.ts'
import { type Acknowledged, openStory } from './crash-story.ts'
import { runCommand } from './run-command.ts'

const CRASHES = Number(process.env['CRASHES'] ?? 10)
const SEED = process.env['CRASH_SEED'] ?? String(Date.now())

test(`a server that is killed ${CRASHES} times (CRASH_SEED=${SEED})`, async (t) => {
  const random = new SeededRandom(SEED)
  const home = mkdtempSync(join(tmpdir(), 'behalf-crash-'))
  const counter = await startCountingServer(() => systemClock.sleep(random.below(20)))
  let server: RunningServer = await startServer({ home })
  t.after(async () => {
    await server.stop()
    await counter.close()
    rmSync(home, { recursive: true, force: true })
  })
  const { url, code = '' } = server
  const story = await openStory({ url, code }, counter.url)
  const postmaster = postmasterOf(home)

  const ending = new AbortController()
  const playing = story.play(ending.signal)
  for (let crash = 0; crash < CRASHES; crash++) {
    // Some of the story, then a moment of its own: however fast this machine is.
    const progress = progressOf(story.acknowledged) + random.below(10)
    for (let waited = 0; progressOf(story.acknowledged) < progress && waited < 200; waited++) {
      await systemClock.sleep(10)
    }
    await systemClock.sleep(random.below(60))
    await server.kill()
    server = await startServer({ home, port: Number(new URL(url).port) })
    assert.equal(postmasterOf(home), postmaster, 'the database that was left behind is adopted')
  }
  await systemClock.sleep(500)
  ending.abort()
  await playing

  const { acknowledged } = story
  t.diagnostic(
    `${acknowledged.calls.size} calls, ${acknowledged.delegations.size} delegations, ${acknowledged.approved.size} approvals`,
  )
  assert(acknowledged.calls.size > 0 && acknowledged.approved.size > 0, 'the story went on')
  const { store, close } = await openHome(home)
  try {
    await checkInvariants(store, home, url)
    const calls = await callsByNonce(store)
    checkCounted(calls, acknowledged, counter.counts)
    await checkAcknowledged(store, calls, acknowledged)
    const unknown = [...calls.values()].filter(({ outcome }) => outcome === 'unknown').length
    t.diagnostic(`${calls.size} calls recorded, ${unknown} of unknown outcome`)
  } finally {
    await close()
  }
  const environment = {
    PATH: process.env['PATH'] ?? '',
    BEHALF_URL: url,
    BEHALF_SESSION: story.session,
  }
  const verified = await runCommand(
    `${join(import.meta.dirname, '../bin/behalf')} log verify`,
    environment,
  )
  assert.equal(verified.status, 0, verified.output)
})

/** How far the story has come. */
function progressOf({ calls, delegations, revoked, approved }: Acknowledged): number {
  return calls.size + delegations.size + revoked.size + approved.size
}

/** The process that serves the database. */
function postmasterOf(home: string): string | undefined {
  const file = join(home, 'installation/postgres/data/postmaster.pid')
  return readFileSync(file, 'utf8').split('\n')[0]
}

async function openHome(home: string): Promise<{ store: Store; close: () => Promise<void> }> {
  const folder = join(home, 'installation/postgres')
  const env = { clock: systemClock, diagnostics: silentDiagnostics }
  const postgres = await startEmbeddedPostgres({ folder, ...env })
  const store = await openStore({ url: postgres.url, migrations: [], ...env })
  return {
    store,
    async close() {
      await store.close()
      await postgres.stop()
    },
  }
}

async function checkInvariants(store: Store, home: string, issuer: string): Promise<void> {
  const masterKey = await loadMasterKey(join(home, 'installation/master.key'), {
    random: systemRandom,
  })
  const keys = { store, clock: systemClock, random: systemRandom, masterKey }
  const keyring = await openKeyring(keys)
  await checkLog(store)
  await checkDelegations(store, { keyring, issuer })
  await checkApprovals(store, { keyring, issuer })
  await checkCalls(store)
  const open = await store.snapshot(async (tx) => await callsWithoutOutcome(tx, await logSize(tx)))
  assert.deepEqual(open, [], 'every call has its outcome, were it `unknown`')
}

type Calls = ReadonlyMap<string, { readonly outcome?: string }>

/** What reached the server is what is recorded, once. */
function checkCounted(
  calls: Calls,
  { asked }: Acknowledged,
  counts: ReadonlyMap<string, number>,
): void {
  const twice = [...counts].filter(([, count]) => count > 1)
  assert.deepEqual(twice, [], 'no call is made twice')
  const unrecorded = [...counts.keys()].filter((nonce) => !calls.has(nonce))
  assert.deepEqual(unrecorded, [], 'no call is made that is not recorded')
  const unmade = [...calls].filter(([nonce, { outcome }]) => outcome === 'ok' && !counts.has(nonce))
  assert.deepEqual(unmade, [], 'no outcome is recorded of a call that was not made')
  const unasked = [...calls.keys()].filter((nonce) => !asked.has(nonce))
  assert.deepEqual(unasked, [], 'nobody else called')
}

/** Nothing that was acknowledged is missing. */
async function checkAcknowledged(
  store: Store,
  calls: Calls,
  acknowledged: Acknowledged,
): Promise<void> {
  const lost = [...acknowledged.calls].filter((nonce) => calls.get(nonce)?.outcome !== 'ok')
  assert.deepEqual(lost, [], 'calls that were answered are recorded with their outcome')
  const delegations = await store.snapshot(allDelegations)
  const states = new Map<string, string>(delegations.map(({ id, state }) => [id, state]))
  const missing = [...acknowledged.delegations].filter((id) => !states.has(id))
  assert.deepEqual(missing, [], 'delegations that were acknowledged are there')
  const standing = [...acknowledged.revoked].filter((id) => states.get(id) !== 'revoked')
  assert.deepEqual(standing, [], 'what was revoked stays revoked')
  const approvals = await store.snapshot(allApprovals)
  const decided = new Set<string>(approvals.flatMap((a) => (a.decidedBy === undefined ? [] : a.id)))
  assert.deepEqual(
    [...acknowledged.approved].filter((id) => !decided.has(id)),
    [],
  )
}

/** What the log says of each nonce: the last outcome of the call that was intended with it. */
async function callsByNonce(store: Store): Promise<Map<string, { outcome?: string }>> {
  const vault = openVault({ random: systemRandom, clock: systemClock })
  const entries = await entriesBetween(store.db, { from: 0, limit: 1_000_000 })
  const outcomes = new Map<number, string>()
  for (const { entry } of entries) {
    if (entry.kind === 'call_outcome') outcomes.set(entry.intended, entry.outcome)
  }
  const intended = entries.flatMap(({ index, entry }) =>
    entry.kind === 'call_intended' && entry.arguments !== undefined
      ? [{ index, sealed: entry.arguments }]
      : [],
  )
  const values = await vault.openMany(
    store.db,
    intended.map(({ sealed }) => sealed),
  )
  return new Map(
    intended.map(({ index, sealed }) => {
      const { nonce } = values.get(sealed.sealed) as { nonce: string }
      const outcome = outcomes.get(index)
      return [nonce, outcome === undefined ? {} : { outcome }]
    }),
  )
}
