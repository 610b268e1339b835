import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { prepareEntry } from '../audit/append.ts'
import { LogWriter } from '../audit/log-writer.ts'
import { openTestLog, testEntry, type TestLog } from '../audit/testing.ts'
import type { Json } from '../base/canonical-json.ts'
import { migrations } from './migrations.ts'
import { type Answers, newSegment, segmentBeside } from './segment.ts'
import type { Shown } from './shown.ts'
import { ShownMemory } from './shown-memory.ts'
import { carried, trace } from './trace.ts'

/** Records what a server showed an agent, as the gateway does. */
async function show(
  log: TestLog,
  agent: string,
  content: Json,
  answers: Answers = {},
): Promise<void> {
  const about = { agent, principal: 'srv_web', kind: 'tool_result', trust: 'untrusted' } as const
  const segment = newSegment({ ...about, systemFields: [], answers }, log)
  const [row] = log.vault.prepare([{ value: content, subject: 'dlg_1' }])
  assert(row !== undefined)
  const written = await new LogWriter(log).write({
    entry: prepareEntry(testEntry('grp_a')),
    values: [row],
    rows: [segmentBeside(segment, row.sealed)],
  })
  assert(written.ok)
}

function fromOf(shown: readonly Shown[], value: string): number {
  return trace(shown, { value })[0]?.from.length ?? 0
}

test('what an agent was shown is known at every replica, after a restart, and to those it instructs', async (t) => {
  const log = await openTestLog(t, migrations)
  const [here, there] = [new ShownMemory(), new ShownMemory()]
  await show(log, 'agt_parent', 'pay to LT121000011101001000')
  assert.equal(fromOf(await here.of(['agt_parent'], log), 'LT121000011101001000'), 1)
  assert.equal(fromOf(await here.of(['agt_other'], log), 'LT121000011101001000'), 0)
  // The chain, the agent that acts first.
  assert.equal(fromOf(await there.of(['agt_child', 'agt_parent'], log), 'LT121000011101001000'), 1)

  await show(log, 'agt_parent', [{ id: 7, name: 'Ann', email: 'ann@acme.example' }])
  for (const memory of [here, there, new ShownMemory()]) {
    const shown = await memory.of(['agt_parent'], log)
    assert.equal(fromOf(shown, 'ann@acme.example'), 1)
    assert.equal([...(shown[0]?.segments ?? [])].length, 2)
  }
})

test('what was known of the call comes back with the segment', async (t) => {
  const log = await openTestLog(t, migrations)
  const answers = { directed: true, action: 'tools/call:find', writable: ['email'] }
  await show(log, 'agt_1', [{ id: 7, email: 'ann@acme.example' }], answers)
  const shown = await new ShownMemory().of(['agt_1'], log)
  const grounds = trace(shown, { id: 7, to: 'ann@acme.example' }).map(({ ground }) => ground)
  assert.deepEqual(grounds, ['chosen', 'claimed'])
  assert.equal([...(shown[0]?.segments ?? [])][0]?.label, 'tools/call:find')
})

test('pieces of one batch stay apart, each with the entry that names it', async (t) => {
  const log = await openTestLog(t, migrations)
  const writer = new LogWriter(log)
  const pieces = [
    { agent: 'agt_1', delegation: 'dlg_1', systemFields: ['id'], answers: { echo: true } },
    { agent: 'agt_2', systemFields: [], answers: {} },
    { agent: 'agt_3', delegation: 'dlg_3', systemFields: [], answers: { action: 'a "b", c' } },
  ]
  const written = await Promise.all(
    pieces.map(async (piece, at) => {
      const about = { principal: `srv_${at}`, kind: 'tool_result', trust: 'untrusted' } as const
      const [row] = log.vault.prepare([{ value: 'x'.repeat(at), subject: 'dlg_1' }])
      assert(row !== undefined)
      return await writer.write({
        entry: prepareEntry(testEntry('grp_a')),
        values: [row],
        rows: [segmentBeside(newSegment({ ...about, ...piece }, log), row.sealed)],
      })
    }),
  )
  const { rows } = await sql`
    select agent, delegation, principal, content_bytes, system_fields, answers, entry
    from segment order by entry`.execute(log.store.db)
  assert.deepEqual(
    rows,
    pieces.map(({ agent, delegation, systemFields, answers }, at) => ({
      agent,
      delegation: delegation ?? null,
      principal: `srv_${at}`,
      content_bytes: at + 2,
      system_fields: systemFields,
      answers,
      entry: written[at]?.ok === true ? written[at].value.index : undefined,
    })),
  )
})

test('erased content leaves memory after a while', async (t) => {
  const log = await openTestLog(t, migrations)
  const memory = new ShownMemory()
  await show(log, 'agt_1', 'pay to LT121000011101001000')
  assert.equal(fromOf(await memory.of(['agt_1'], log), 'LT121000011101001000'), 1)
  await log.store.transaction(async (tx) => ({
    ok: true as const,
    value: await log.vault.erase(tx, 'dlg_1'),
  }))
  await log.clock.advance(601_000)
  assert.equal(fromOf(await memory.of(['agt_1'], log), 'LT121000011101001000'), 0)
})

test('agents that ask together each get their own, and fail by themselves', async (t) => {
  const log = await openTestLog(t, migrations)
  const memory = new ShownMemory()
  const agents = ['agt_1', 'agt_2', 'agt_3']
  const ask = async (): Promise<string[]> =>
    await Promise.all(
      agents.map(async (agent) => {
        const [shown] = await memory.of([agent], log)
        return [...(shown?.segments ?? [])].map(({ text }) => text).join(' ')
      }),
    )
  for (const agent of agents) await show(log, agent, `first-${agent}`)
  assert.deepEqual(await ask(), ['first-agt_1', 'first-agt_2', 'first-agt_3'])
  for (const agent of agents) await show(log, agent, `then-${agent}`)
  assert.deepEqual(
    await ask(),
    agents.map((agent) => `first-${agent} then-${agent}`),
  )

  for (const agent of agents) await show(log, agent, `last-${agent}`)
  await sql`update vault_value set value = '"another"' where value = '"last-agt_2"'`.execute(
    log.store.db,
  )
  const asked = await Promise.allSettled(agents.map((agent) => memory.of([agent], log)))
  assert.deepEqual(
    asked.map((one) => one.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

test('what is confidential is not forgotten, however much an agent reads after it', async (t) => {
  const log = await openTestLog(t, migrations)
  await show(log, 'agt_1', 'the code is 463820', { confidential: true })
  await showMany(log, 1_000, {})
  const shown = await new ShownMemory().of(['agt_1'], log)
  assert.equal([...(shown[0]?.segments ?? [])].length, 1_001)
  assert.equal(carried(shown, { body: 'here: 463820' }).length, 1)
  assert.deepEqual(carried(shown, { body: 'here: 463821' }), [])
})

test('where more is confidential than is kept, whatever leaves may carry it', async (t) => {
  const log = await openTestLog(t, migrations)
  await showMany(log, 1_002, { confidential: true })
  const shown = await new ShownMemory().of(['agt_1'], log)
  assert.equal(carried(shown, { body: 'nothing of it' }).length, 20)
})

/** Copies of one row: a thousand calls would take minutes. */
async function showMany(log: TestLog, count: number, answers: Answers): Promise<void> {
  await show(log, 'agt_1', 'some page', answers)
  await sql`
    insert into segment
    select 'seg_' || g, agent, delegation, principal, kind, trust, content_digest, content_bytes,
      system_fields, created_at, entry + g, answers
    from segment, generate_series(1, ${count - 1}::integer) g
    where entry = (select max(entry) from segment)`.execute(log.store.db)
}
