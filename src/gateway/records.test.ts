import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { encodeEntry, type Entry } from '../audit/entry.ts'
import { LogWriter } from '../audit/log-writer.ts'
import { entriesBetween } from '../audit/queries.ts'
import { openTestLog, testEntry, testOutcome, type TestLog } from '../audit/testing.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { Admissions } from './admit.ts'
import { recordedProvenance } from './call-entry.ts'
import type { JudgedCall } from './judge.ts'
import type { Target } from './target.ts'
import { call, openTestGateways, testReader, type TestCaller, type TestGateway } from './testing.ts'
import { warningsIn } from './warnings.ts'

async function threeIdle(t: TestContext): Promise<{ log: TestLog; admissions: Admissions }> {
  const log = await openTestLog(t)
  const env = { ...log, logWriter: new LogWriter(log) }
  return { log, admissions: new Admissions(env, { burst: 3, perSecond: 1 }) }
}

test('an agent fills the log with what has no effect only so fast, and no other agent pays for it', async (t) => {
  const { log, admissions } = await threeIdle(t)
  const idle = { sealings: [], entry: () => testEntry('grp_a') }
  const say = async (agent: string): Promise<boolean> => await admissions.recordIdle(agent, idle)
  assert.deepEqual(
    [await say('agt_1'), await say('agt_1'), await say('agt_1'), await say('agt_1')],
    [true, true, true, false],
  )
  assert.equal(await say('agt_2'), true)
  assert.equal((await entriesBetween(log.store.db, { from: 0 })).length, 4)
  await log.clock.advance(1_000)
  assert.deepEqual([await say('agt_1'), await say('agt_1')], [true, false])
})

interface Scene {
  readonly office: Awaited<ReturnType<typeof openTestGateways>>
  readonly gateway: TestGateway
  readonly caller: TestCaller
}

async function reader(t: TestContext): Promise<Scene> {
  const office = await openTestGateways(t)
  return { office, gateway: await office.open(), caller: await testReader(office) }
}

test('large arguments of a refused call are told by their digest, small ones are kept', async (t) => {
  const { office, gateway, caller } = await reader(t)
  const refused = async (args: JsonObject): Promise<Entry | undefined> => {
    await call(gateway, caller, 'read', args)
    const entries = await entriesBetween(office.store.db, { from: 0 })
    return entries.findLast(({ entry }) => entry.kind === 'call_refused')?.entry
  }
  const small = await refused({ path: '/clients/2077/w2' })
  const large = await refused({ path: `/clients/${'x'.repeat(70_000)}` })
  assert.ok(small?.kind === 'call_refused' && large?.kind === 'call_refused')
  assert.deepEqual([small.arguments?.bytes, small.argumentsDigest], [27, undefined])
  assert.equal(large.arguments, undefined)
  assert.match(large.argumentsDigest ?? '', /^sha256:/)
  await office.check()
})

test('whatever an agent puts into its arguments, the call fits into an entry', () => {
  const sources = Array.from({ length: 20 }, (_, i) => `seg_${String(i).padStart(26, '0')}`)
  const provenance = (path: string): JudgedCall['provenance'] =>
    Array.from({ length: 100 }, (_, i) => ({
      path: `${path}[${i}]`,
      from: sources,
      grounded: false,
      ground: 'unseen',
    }))
  const bytesOf = (path: string): number => {
    const said = recordedProvenance(provenance(path))
    assert.equal(said.length, 100)
    return Buffer.byteLength(JSON.stringify(said))
  }
  assert.ok(bytesOf('edits') < 32_000)
  // A name of the agent's own making: long, and cut between two surrogates.
  for (const path of ['x'.repeat(5_000), `${'x'.repeat(299)}😀`, '\u0001'.repeat(400)]) {
    assert.ok(bytesOf(path) < 60_000, path.slice(0, 10))
    assert.ok(recordedProvenance(provenance(path)).every((one) => one.path.isWellFormed()))
  }
  const few = provenance('edits').slice(0, 3)
  assert.deepEqual(
    recordedProvenance(few),
    few.map(({ path, from, grounded }) => ({ path, from, grounded })),
  )
})

test('a warning that is cut within a character does not lose the outcome', () => {
  const target = { warnings: 'warnings' } as Target
  const warnings = warningsIn({ structuredContent: { warnings: [`${'x'.repeat(499)}😀`] } }, target)
  assert.equal(warnings[0]?.length, 500)
  assert.doesNotThrow(() => encodeEntry(testOutcome('c', 0, { warnings })))
})
