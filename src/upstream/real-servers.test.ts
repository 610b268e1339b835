/** The servers that people run, unchanged from npm, and our own example, each in every tier that works here. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../base/clock.ts'
import type { Diagnostics, Facts } from '../base/diagnostics.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { sandboxed } from '../sandbox/sandboxed.ts'
import { options, serverOf, testFolder, testUpstreams, tool } from './testing.ts'
import type { UpstreamServer } from './server.ts'
import type { Upstreams } from './upstreams.ts'

const packages = join(import.meta.dirname, '../../node_modules/@modelcontextprotocol')
const program = (name: string): string => join(packages, name, 'dist/index.js')

/** Upstreams in one tier, or undefined (and the test skipped) where it does not work. */
async function upstreamsIn(t: TestContext, tier: 'T0' | 'T1'): Promise<Upstreams | undefined> {
  const started: unknown[] = []
  const diagnostics: Diagnostics = {
    ...silentDiagnostics,
    info: (event: string, facts?: Facts) =>
      void (event === 'upstream.started' && started.push(facts?.['tier'])),
  }
  if (tier === 'T0') return testUpstreams(t, { diagnostics })
  const bubblewrapPath = '/usr/bin/bwrap'
  const spec = { command: 'node', args: [program('server-memory')], readOnly: [], readWrite: [] }
  const probe = await sandboxed(
    { ...spec, environment: {}, limits: {}, tier },
    { clock: systemClock, nodePath: process.execPath, bubblewrapPath },
  )
  if (!probe.ok) {
    t.skip(`T1: ${probe.error.message}`)
    return undefined
  }
  probe.value.kill()
  t.after(() => assert.ok(started.every((ran) => ran === 'T1')))
  return testUpstreams(t, { diagnostics, bubblewrapPath })
}

for (const tier of ['T0', 'T1'] as const) {
  test(`${tier}: server-filesystem reads what is mounted and nothing beside it`, async (t) => {
    const upstreams = await upstreamsIn(t, tier)
    if (upstreams === undefined) return
    const root = await testFolder(t)
    await writeFile(join(root, 'work/w2.txt'), '84,310.00')
    const server = serverOf({
      type: 'stdio',
      command: 'node',
      // It is told that it may serve everything; the sandbox knows better.
      args: [program('server-filesystem'), join(root, 'work'), '/'],
      readOnly: [join(root, 'work')],
    })
    const listing = must(await upstreams.observe(server))
    assert.equal(listing.era, '2025-11-25')
    const names = listing.tools.map((one) => one['name'])
    assert.ok(names.includes('read_text_file') && names.includes('write_file'))
    assert.deepEqual(listing.prompts, [])
    const read = await upstreams.call(
      server,
      tool('read_text_file', { path: join(root, 'work/w2.txt') }),
      options(),
    )
    assert.equal(read.outcome, 'ok')
    assert.deepEqual('result' in read && read.result['structuredContent'], { content: '84,310.00' })
    const refused: [string, Record<string, string>][] = [
      ['read_text_file', { path: '/etc/passwd' }],
      ['write_file', { path: join(root, 'work/new.txt'), content: 'x' }],
      ['read_text_file', { path: join(root, 'bad-server.mjs') }],
    ]
    for (const [name, args] of refused) {
      assert.equal(
        (await upstreams.call(server, tool(name, args), options())).outcome,
        'tool_error',
      )
    }
  })

  test(`${tier}: server-memory keeps its file in the mount`, async (t) => {
    const upstreams = await upstreamsIn(t, tier)
    if (upstreams === undefined) return
    const root = await testFolder(t)
    const file = join(root, 'work/memory.jsonl')
    const server = serverOf({
      type: 'stdio',
      command: program('server-memory'),
      args: [],
      env: { MEMORY_FILE_PATH: file },
      readWrite: [join(root, 'work')],
    })
    const entities = [{ name: '1042', entityType: 'client', observations: ['box 1 is ambiguous'] }]
    const made = await upstreams.call(server, tool('create_entities', { entities }), options())
    assert.equal(made.outcome, 'ok')
    assert.match(await readFile(file, 'utf8'), /box 1 is ambiguous/)
  })

  test(`${tier}: server-everything is listed whole`, async (t) => {
    const upstreams = await upstreamsIn(t, tier)
    if (upstreams === undefined) return
    const server = serverOf({
      type: 'stdio',
      command: 'node',
      args: [program('server-everything'), 'stdio'],
      env: { SHOWN: 'yes' },
    })
    const listing = must(await upstreams.observe(server))
    assert.ok(listing.tools.length > 5 && listing.prompts.length > 2)
    assert.ok(listing.resources.length > 2 && listing.resourceTemplates.length > 0)
    assert.match(listing.instructions ?? '', /\w/)
    const echo = await upstreams.call(server, tool('echo', { message: 'hello' }), options())
    assert.deepEqual('result' in echo && echo.result['content'], [
      { type: 'text', text: 'Echo: hello' },
    ])
    const seen = await upstreams.call(server, tool('get-env'), options())
    const [{ text }] = ('result' in seen ? seen.result['content'] : []) as [{ text: string }]
    const {
      PWD: _pwd,
      TMPDIR: _scratch,
      ...environment
    } = JSON.parse(text) as Record<string, string>
    assert.deepEqual(environment, { SHOWN: 'yes' })
    const prompt = {
      method: 'prompts/get',
      params: { name: listing.prompts[0]?.['name'] },
    } as const
    assert.equal((await upstreams.call(server, prompt, options())).outcome, 'ok')
    const uri = listing.resources[0]?.['uri']
    const resource = { method: 'resources/read', params: { uri } } as const
    assert.equal((await upstreams.call(server, resource, options())).outcome, 'ok')
  })
}

async function taxEngine(t: TestContext, key?: string): Promise<string> {
  const folder = join(await testFolder(t), 'work')
  const file = join(import.meta.dirname, '../../examples/tax-engine/server.ts')
  const child = spawn(process.execPath, [file, '--port', '0', '--folder', folder], {
    env: key === undefined ? {} : { TAX_ENGINE_KEY: key },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill())
  for await (const line of createInterface({ input: child.stdout })) {
    return (JSON.parse(line) as { url: string }).url
  }
  throw new Error('expected a line')
}

for (const era of [undefined, '2026-07-28', '2025-11-25'] as const) {
  test(`the tax engine files a return once, in era ${era ?? 'of its choice'}`, async (t) => {
    const url = await taxEngine(t, 'engine-key-0123456789')
    const upstreams = testUpstreams(t, {
      credential: () => Promise.resolve('engine-key-0123456789'),
    })
    const server = serverOf({ type: 'http', url, credential: 'tax-engine' }, era && { era })
    const listing = must(await upstreams.observe(server))
    assert.equal(listing.era, era ?? '2026-07-28')
    assert.deepEqual(
      listing.tools.map((one) => one['name']),
      ['create_draft', 'override_warning', 'file_return', 'status'],
    )
    const figures = {
      client: '1042',
      year: 2025,
      wages: 84_310,
      interest: 412.77,
      withheld: 9_206.44,
    }
    const drafted = await upstreams.call(
      server,
      tool('create_draft', { ...figures, ambiguous: ['wages'] }),
      options(),
    )
    const draft = {
      draft: 'draft-1042-2025-1',
      client: '1042',
      year: 2025,
      amount_due: 881.57,
      warnings: ['wages_ambiguous: the source shows more than one figure for wages'],
    }
    assert.deepEqual('result' in drafted && drafted.result['structuredContent'], draft)
    const { warnings: _, ...asked } = draft
    const outcomes = []
    for (const amount of [881.58, 881.57, 881.57]) {
      const filed = await upstreams.call(
        server,
        tool('file_return', { ...asked, amount_due: amount }),
        options(),
      )
      outcomes.push(filed.outcome)
    }
    assert.deepEqual(outcomes, ['tool_error', 'ok', 'tool_error'])
  })
}

test('the tax engine refuses a caller without its key, and nothing is sent with another', async (t) => {
  const url = await taxEngine(t, 'engine-key-0123456789')
  const wrong = testUpstreams(t, { credential: () => Promise.resolve('another-key') })
  const refused = await wrong.call(
    serverOf({ type: 'http', url, credential: 'tax-engine' }),
    tool('status'),
    options(),
  )
  assert.deepEqual(refused, {
    outcome: 'failed',
    error: { reason: 'upstream_failed', message: 'it answered with error -32000' },
  })
  const unknown = await testUpstreams(t).call(
    serverOf({ type: 'http', url, credential: 'tax-engine' }),
    tool('status'),
    options(),
  )
  assert.deepEqual(unknown, {
    outcome: 'failed',
    error: { reason: 'upstream_failed', message: 'expected its credential' },
  })
})

test('a server that demands a tier which is not there is not started at all', async (t) => {
  const upstreams = testUpstreams(t)
  const refused = await upstreams.observe(demanding('T1'))
  assert.match(
    refused.ok ? '' : (refused.error.message ?? ''),
    /tier_unavailable: no bubblewrap at/,
  )
  assert.equal((await upstreams.observe(demanding('T0'))).ok, true)
  assert.equal((await upstreams.observe(demanding())).ok, true)
})

function demanding(tier?: 'T0' | 'T1'): UpstreamServer {
  const args = [program('server-everything'), 'stdio']
  const transport = { type: 'stdio', command: 'node', args } as const
  return serverOf({ ...transport, ...(tier !== undefined && { tier }) }, { id: `srv_${tier}` })
}
