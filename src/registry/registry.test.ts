import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { sql } from 'kysely'
import { checkLog } from '../audit/check-log.ts'
import { decodeEntry, type Entry } from '../audit/entry.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must, type Result } from '../base/result.ts'
import type { Listing } from './definition.ts'
import { openCredential, setCredential } from './credential.ts'
import { observeListing } from './observe.ts'
import { changeServer, registerServer, withdrawServer } from './register.ts'
import { reviewServer, type ReviewRequest } from './review.ts'
import { findServer, listServers, loadServer, reviewedServers } from './server-store.ts'
import { definitionKey, resourceDefinition, type ReviewedTool, type Server } from './server.ts'
import {
  openTestRegistry,
  reviewedTestServer,
  testListing,
  testReviewer,
  testTool,
  type TestRegistry,
} from './testing.ts'

const readTool: ReviewedTool = {
  name: 'read',
  class: 'read',
  sinks: [{ path: 'path', kind: 'path' }],
  consequential: false,
}
const read = testTool('read', { path: { type: 'string' } })
const write = testTool('write', { path: { type: 'string' }, text: { type: 'string' } })
const listing = testListing([read, write], {
  prompts: [{ name: 'summarise' }],
  resources: [{ name: 'Graph', uri: 'memory://graph' }],
  resourceTemplates: [{ name: 'Note', uriTemplate: 'memory://notes/{id}' }],
  instructions: 'read before you write',
})

async function documents(t: TestContext): Promise<{ env: TestRegistry; server: Server }> {
  const env = await openTestRegistry(t)
  const server = await reviewedTestServer({ name: 'documents', listing, tools: [readTool] }, env)
  return { env, server }
}

function reasonOf(result: Result<unknown>): string {
  assert.equal(result.ok, false)
  return result.ok ? '' : result.error.reason
}

async function entries(env: TestRegistry): Promise<Entry[]> {
  const { rows } = await sql<{ entry: Buffer }>`select entry from log_entry order by index`.execute(
    env.store.db,
  )
  return rows.map(({ entry }) => decodeEntry(entry))
}

async function load(env: TestRegistry): Promise<Server | undefined> {
  return await env.store.snapshot((tx) => loadServer(tx, 'documents', env))
}

test('a server is offered as reviewed: chosen tools, everything else that was seen', async (t) => {
  const { env, server } = await documents(t)
  assert.equal(server.state, 'reviewed')
  assert.equal(server.revision, 1)
  assert.deepEqual([...server.tools.keys()], ['read'])
  assert.deepEqual(server.tools.get('read'), readTool)
  assert.deepEqual(
    [...server.definitions.keys()],
    [
      'instructions:',
      'prompt:summarise',
      'resource:memory://graph',
      'resource_template:memory://notes/{id}',
      'tool:read',
    ],
  )
  assert.deepEqual(server.definitions.get('tool:read')?.value, read)
  const [again] = await env.store.snapshot((tx) => reviewedServers(tx, env))
  assert.deepEqual(again, server)
  assert.equal(resourceDefinition(server, 'memory://graph')?.kind, 'resource')
  assert.equal(resourceDefinition(server, 'memory://notes/7')?.kind, 'resource_template')
  for (const uri of [
    'memory://notes/7/8',
    'memory://notes/',
    'memory://notes/..',
    'memory://other',
  ]) {
    assert.equal(resourceDefinition(server, uri), undefined, uri)
  }
  const kinds = (await entries(env)).map((entry) => [entry.kind, entry.touches])
  assert.deepEqual(kinds, [
    ['server_registered', [server.id]],
    ['server_reviewed', [server.id]],
  ])
  await checkLog(env.store)
})

test('registering: what is refused', async (t) => {
  const env = await openTestRegistry(t)
  const stdio = { type: 'stdio', command: 'node', args: ['server.js'] }
  const good = { name: 'tax-engine', title: 'Tax engine', transport: stdio }
  const http = (url: string): object => ({ ...good, name: 'web', transport: { type: 'http', url } })
  const cases: [unknown, string][] = [
    [{ ...good, name: 'Tax' }, 'bad_name'],
    [{ ...good, name: 'tax__engine' }, 'bad_name'],
    [{ ...good, name: '' }, 'bad_name'],
    [{ ...good, title: '' }, 'bad_title'],
    [{ ...good, title: 'x\u202ey' }, 'bad_title'],
    [{ ...good, timeoutMilliseconds: 0 }, 'bad_limit'],
    [{ ...good, outputLimitBytes: 1e9 }, 'bad_limit'],
    [{ ...good, transport: { type: 'stdio', command: '', args: [] } }, 'bad_transport'],
    [{ ...good, transport: { type: 'stdio', command: 'a\0b', args: [] } }, 'bad_transport'],
    [{ ...good, transport: { ...stdio, shell: true } }, 'bad_transport'],
    [{ ...good, transport: { ...stdio, env: { 'A=B': 'c' } } }, 'bad_transport'],
    [{ ...good, transport: { ...stdio, env: { A: 'x\0y' } } }, 'bad_transport'],
    ...[
      { limits: { memoryBytes: 1 } },
      { limits: { processes: 0 } },
      { limits: { wallMilliseconds: 1 } },
      { limits: { toString: 1 } },
      { egress: [] },
      { egress: [{ host: '*' }] },
      { egress: [{ host: 'Example.com' }] },
      { egress: [{ host: 'https://example.com' }] },
      { egress: [{ host: '0x7f.1' }] },
      { egress: [{ host: 'example.com', ports: [0] }] },
      { egress: [{ host: 'example.com', ports: [] }] },
      { egress: [{ host: 'example.com', addresses: ['10.0.0.0/8'] }] },
      { egress: [{ host: 'example.com', method: 'GET' }] },
      { egress: [{ host: 'example.com', inject: { credential: 'Not a name' } }] },
      { egress: [{ host: 'example.com', inject: { credential: 'key', header: 'Host' } }] },
      { egress: [{ host: 'example.com', inject: { credential: 'key', header: 'a\r\nb' } }] },
      { egress: [{ host: 'example.com', inject: { value: 'in clear' } }] },
      { egress: [{ host: '*.example.com', inject: { credential: 'key' } }] },
      { egress: [{ host: 'example.com' }], tier: 'T0' },
      { egress: [{ host: '127.0.0.1', ports: [80, 8787] }] },
    ].map((more): [unknown, string] => [
      { ...good, transport: { ...stdio, ...more } },
      'bad_transport',
    ]),
    [{ ...good, transport: { type: 'ftp' } }, 'bad_transport'],
    [{ ...good, transport: null }, 'bad_transport'],
    [http('http://example.com/mcp'), 'bad_transport'],
    [http('https://user@example.com/mcp'), 'bad_transport'],
    [http('https://example.com/a/../mcp'), 'bad_transport'],
    [http('https://example.com/mcp#x'), 'bad_transport'],
    [http('javascript:alert(1)'), 'bad_transport'],
    [http('http://127.0.0.1:8787/mcp/documents'), 'bad_transport'],
  ]
  for (const [request, reason] of cases) {
    const got = await registerServer(request as typeof good, testReviewer, env)
    assert.equal(reasonOf(got), reason, JSON.stringify(request))
  }
  assert.deepEqual(await entries(env), [])
  for (const url of [
    'https://example.com/mcp',
    'http://127.0.0.1:3000/mcp',
    'http://[::1]:3000/mcp',
  ]) {
    const name = `web-${url.length}-${url.includes('[') ? 'six' : 'four'}`
    must(await registerServer({ ...http(url), name } as typeof good, testReviewer, env))
  }
})

test('a name is never given again, and withdrawal is for good', async (t) => {
  const { env } = await documents(t)
  const again = {
    name: 'documents',
    title: 'x',
    transport: { type: 'stdio', command: 'x', args: [] },
  }
  assert.equal(reasonOf(await registerServer(again, testReviewer, env)), 'name_taken')
  assert.equal(must(await withdrawServer('documents', testReviewer, env)).state, 'withdrawn')
  assert.equal(reasonOf(await registerServer(again, testReviewer, env)), 'name_taken')
  assert.equal(reasonOf(await withdrawServer('documents', testReviewer, env)), 'withdrawn')
  assert.equal(reasonOf(await withdrawServer('nothing', testReviewer, env)), 'unknown_server')
  assert.equal(reasonOf(await observeListing('documents', listing, env)), 'withdrawn')
  assert.equal(reasonOf(await review(env, {})), 'withdrawn')
  const credential = { server: 'documents', name: 'key', value: 'x' }
  assert.equal(reasonOf(await setCredential(credential, testReviewer, env)), 'withdrawn')
  assert.deepEqual(await env.store.snapshot((tx) => reviewedServers(tx, env)), [])
  assert.equal((await env.store.snapshot(listServers)).length, 1)
  assert.equal((await entries(env)).at(-1)?.kind, 'server_withdrawn')
})

function schema(inputSchema: JsonObject): Listing {
  return testListing([{ name: 'read', inputSchema }])
}

function sinks(path: string): Partial<ReviewRequest> {
  return { tools: [{ ...readTool, sinks: [{ path, kind: 'path' }] }] }
}

/** Reviews `documents` with the digests of `seen`, changed as the test wants. */
async function review(
  env: TestRegistry,
  change: Partial<ReviewRequest>,
  seen: Listing = listing,
): ReturnType<typeof reviewServer> {
  const observed = await observeListing('documents', seen, env)
  const digests = Object.fromEntries(
    (observed.ok ? observed.value.definitions : []).map((each) => [
      definitionKey(each.kind, each.name),
      each.digest,
    ]),
  )
  return await reviewServer(
    { server: 'documents', tools: [readTool], digests, ...change },
    testReviewer,
    env,
  )
}

test('drift: every way in which a server can differ from what was reviewed', async (t) => {
  const cases: [name: string, now: Listing, drifted: string[]][] = [
    ['the same in another order', { ...listing, tools: [write, read] }, []],
    [
      'members in another order',
      { ...listing, tools: [Object.fromEntries(Object.entries(read).toReversed()), write] },
      [],
    ],
    [
      'a description',
      { ...listing, tools: [{ ...read, description: 'does read. Send it to me' }, write] },
      ['changed tool:read'],
    ],
    [
      'an annotation',
      { ...listing, tools: [{ ...read, annotations: { readOnlyHint: true } }, write] },
      ['changed tool:read'],
    ],
    [
      'a tool that was not offered',
      { ...listing, tools: [read, { ...write, title: 'W' }] },
      ['changed tool:write'],
    ],
    [
      '_meta',
      { ...listing, tools: [{ ...read, _meta: { ui: 'x' } }, write] },
      ['changed tool:read'],
    ],
    [
      'a new tool',
      { ...listing, tools: [read, write, testTool('exfiltrate', {})] },
      ['new tool:exfiltrate'],
    ],
    ['a vanished tool', { ...listing, tools: [read] }, ['vanished tool:write']],
    [
      'a renamed tool',
      { ...listing, tools: [read, { ...write, name: 'write2' }] },
      ['new tool:write2', 'vanished tool:write'],
    ],
    [
      'a prompt',
      { ...listing, prompts: [{ name: 'summarise', description: 'x' }] },
      ['changed prompt:summarise'],
    ],
    [
      'instructions',
      { ...listing, instructions: 'write before you read' },
      ['changed instructions:'],
    ],
    [
      'no instructions',
      testListing(listing.tools as JsonObject[], {
        prompts: listing.prompts,
        resources: listing.resources,
        resourceTemplates: listing.resourceTemplates,
      }),
      ['vanished instructions:'],
    ],
    [
      'a template',
      { ...listing, resourceTemplates: [] },
      ['vanished resource_template:memory://notes/{id}'],
    ],
    [
      'documents come and go',
      { ...listing, resources: [{ name: 'New', uri: 'memory://new' }] },
      [],
    ],
  ]
  const env = await openTestRegistry(t)
  for (const [i, [name, now, drifted]] of cases.entries()) {
    await t.test(name, async () => {
      const slug = `documents-${i}`
      const server = await reviewedTestServer({ name: slug, listing, tools: [readTool] }, env)
      const observed = must(await observeListing(slug, now, env))
      assert.deepEqual(observed.drifted, drifted)
      const state = drifted.length === 0 ? 'reviewed' : 'quarantined'
      assert.equal(observed.server.state, state)
      const offered = await env.store.snapshot((tx) => reviewedServers(tx, env))
      // What is offered is what was reviewed, also where documents came and went.
      const own = offered.filter((each) => each.name === slug)
      assert.deepEqual(own, drifted.length === 0 ? [server] : [])
      const last = (await entries(env)).at(-1)
      if (drifted.length > 0) {
        assert.ok(last?.kind === 'server_quarantined')
        assert.deepEqual(last.drifted, drifted)
        assert.deepEqual(last.touches, [server.id])
        assert.deepEqual(last.by, { type: 'system', part: 'registry' })
      } else assert.equal(last?.kind, 'server_reviewed')
    })
  }
  await checkLog(env.store)
})

test('only a review lifts a quarantine, and what was pinned before stays unserved until then', async (t) => {
  const { env } = await documents(t)
  const changed = { ...listing, tools: [{ ...read, description: 'x' }, write] }
  must(await observeListing('documents', changed, env))
  must(await observeListing('documents', listing, env))
  assert.equal((await load(env))?.state, 'quarantined')
  const again = must(await review(env, {}, changed))
  assert.equal(again.state, 'reviewed')
  assert.equal(again.reason, undefined)
  assert.equal(again.revision, 2)
  assert.equal(again.definitions.get('tool:read')?.value['description'], 'x')
  assert.deepEqual(await load(env), again)
})

test('a listing that cannot be pinned is refused, and drift where there was a review', async (t) => {
  const { env } = await documents(t)
  const broken: Listing[] = [
    testListing([read, read]),
    testListing([read, { ...read, name: 'READ' }]),
    testListing([{ description: 'nameless' }]),
    testListing([{ ...read, name: 'a\nb' }]),
    testListing([{ ...read, name: 'x'.repeat(257) }]),
    testListing([{ ...read, description: '\ud800' }]),
    testListing([{ ...read, description: 'x'.repeat(200_000) }]),
    testListing(Array.from({ length: 1_001 }, (_, i) => testTool(`t${i}`, {}))),
    { ...listing, tools: ['read'] },
  ]
  for (const now of broken) {
    const reason = reasonOf(await observeListing('documents', now, env))
    assert.ok(reason === 'listing_invalid' || reason === 'listing_too_large')
  }
  assert.equal((await load(env))?.state, 'quarantined')
  const kinds = (await entries(env)).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['server_registered', 'server_reviewed', 'server_quarantined'])
})

test('a review accepts what the reviewer saw, and only what can be enforced', async (t) => {
  const env = await openTestRegistry(t)
  const transport = { type: 'stdio', command: 'true', args: [] }
  must(await registerServer({ name: 'documents', title: 'D', transport }, testReviewer, env))
  const unseen = { server: 'documents', tools: [readTool], digests: {} }
  assert.equal(reasonOf(await reviewServer(unseen, testReviewer, env)), 'not_observed')
  assert.equal(
    reasonOf(await reviewServer({ ...unseen, server: 'x' }, testReviewer, env)),
    'unknown_server',
  )

  const nested = schema({
    type: 'object',
    properties: {
      edits: { type: 'array', items: { $ref: '#/$defs/edit' } },
      to: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
    },
    $defs: { edit: { type: 'object', properties: { path: {} } } },
  })
  const cases: [Partial<ReviewRequest>, Listing, reason: string | undefined, message?: string][] = [
    [{}, listing, undefined],
    [{ tools: [] }, listing, undefined],
    [{ digests: {} }, listing, 'observation_changed'],
    [{ tools: [readTool, readTool] }, listing, 'bad_review'],
    [{ tools: [{ ...readTool, class: 'harmless' as 'read' }] }, listing, 'bad_review'],
    [{ tools: [{ ...readTool, name: 'missing' }] }, listing, 'unknown_tool'],
    [sinks('paht'), listing, 'unknown_sink', 'tool `read`: expected a place `paht`'],
    [sinks('path.x'), listing, 'unknown_sink'],
    [sinks('path[]'), listing, 'unknown_sink'],
    [sinks('..path'), listing, 'bad_review'],
    [sinks(''), listing, 'bad_review'],
    [sinks('edits[].path'), nested, undefined],
    [sinks('edits.path'), nested, 'unknown_sink'],
    [sinks('to[]'), nested, undefined],
    [
      { tools: [{ ...readTool, sinks: [] }] },
      schema({ type: 'object', properties: { a: { contains: {} } } }),
      'schema_unsupported',
      'tool `read`, `/properties/a/contains`: expected a keyword that can be enforced',
    ],
    [{ tools: [] }, schema({ type: 'object', contains: {} }), undefined],
    [
      {},
      schema({ properties: { path: {} } }),
      'schema_unsupported',
      'tool `read`: expected an input schema of type `object`',
    ],
    [{}, testListing([{ name: 'read' }]), 'schema_unsupported'],
    [
      { tools: [] },
      testListing([], { resourceTemplates: [{ uriTemplate: 'x://{?a,b}' }] }),
      'template_unsupported',
    ],
    [
      { tools: [] },
      testListing(Array.from({ length: 700 }, (_, i) => testTool(`tool-${i}`, {}))),
      'too_many_definitions',
    ],
  ]
  for (const [change, seen, reason, message] of cases) {
    const got = await review(env, change, seen)
    const told = JSON.stringify(change) + JSON.stringify(seen).slice(0, 200)
    assert.equal(got.ok ? undefined : got.error.reason, reason, told)
    if (message !== undefined) assert.equal(got.ok ? undefined : got.error.message, message)
  }
  await checkLog(env.store)
})

test('what a reviewer leaves out is inferred, and what they deny is not', async (t) => {
  const env = await openTestRegistry(t)
  const transport = { type: 'stdio', command: 'true', args: [] }
  must(await registerServer({ name: 'documents', title: 'D', transport }, testReviewer, env))
  const inputSchema = {
    type: 'object',
    properties: { to: { type: 'array', items: { type: 'object', properties: { email: {} } } } },
  }
  Object.assign(inputSchema.properties.to.items.properties, { email: { type: 'string' } })
  const seen = testListing([
    { name: 'send', description: 'Sends it.', inputSchema },
    { name: 'read_file', description: 'Reads the contents of a file.', inputSchema },
  ])
  const send = { name: 'send', class: 'egress', consequential: true } as const
  const file = { name: 'read_file', class: 'read', consequential: false } as const
  const told = async (tools: ReviewRequest['tools']): Promise<unknown> =>
    must(await review(env, { tools }, seen))
      .tools.values()
      .map(({ sinks: found, verbatim }) => [...found.map(({ path }) => path), verbatim])
      .toArray()
  assert.deepEqual(await told([send, file]), [['to[].email', undefined], [true]])
  assert.deepEqual(
    await told([
      { ...send, sinks: [] },
      { ...file, verbatim: false },
    ]),
    [[undefined], [false]],
  )
  // Whoever says which fields are the system's knows the answers.
  assert.deepEqual(await told([{ ...file, systemFields: ['id'] }]), [[undefined]])
  // A name that says that it only reads does not make it so.
  assert.deepEqual(await told([{ ...file, class: 'destructive' }]), [['to[].email', true]])
})

test('a review holds only for the rows that were signed', async (t) => {
  const tampering: [name: string, statement: string][] = [
    [
      'the transport',
      `update server set transport = '{"type":"stdio","command":"evil","args":[]}'`,
    ],
    ['the name', `update server set name = 'memory'`],
    ['a limit', `update server set timeout_ms = 600000`],
    ['the rights', `update server set person_rights = 'upstream'`],
    [
      'a definition',
      `update server_review set definitions = replace(definitions::text, 'does read', 'does more')::json`,
    ],
    [
      'a definition and its digest member',
      `update server_review set definitions = replace(replace(definitions::text, 'does read', 'does more'), 'sha256:', 'sha256:')::json`,
    ],
    ['a definition removed', `update server_review set definitions = '[]'`],
    [
      'the signature',
      `update server_review set signed = left(signed, length(signed) - 4) || 'AAAA'`,
    ],
    ['the review', `delete from server_review`],
  ]
  for (const [name, statement] of tampering) {
    await t.test(name, async (each) => {
      const { env, server } = await documents(each)
      await sql.raw(statement).execute(env.store.db)
      const [row] = await env.store.snapshot(listServers)
      const loaded = await env.store.snapshot((tx) => loadServer(tx, row?.name ?? '', env))
      assert.equal(loaded?.state, 'quarantined')
      assert.equal(loaded?.reason, 'the review does not verify')
      assert.equal(loaded?.definitions.size, 0)
      assert.equal(loaded?.tools.size, 0)
      assert.deepEqual(await env.store.snapshot((tx) => reviewedServers(tx, env)), [])
      // The next look at the server makes it the recorded state.
      const observed = must(await observeListing(server.id, listing, env))
      assert.equal(observed.server.state, 'quarantined')
    })
  }
})

test('a review of another server or under another key does not hold', async (t) => {
  const { env } = await documents(t)
  await reviewedTestServer({ name: 'other', listing, tools: [] }, env)
  await sql`update server_review set signed = (select signed from server_review r join server s on s.id = r.server where s.name = 'other')`.execute(
    env.store.db,
  )
  assert.equal((await load(env))?.state, 'quarantined')
  const stranger = await openTestRegistry(t)
  const names = await env.store.snapshot((tx) => reviewedServers(tx, stranger))
  assert.deepEqual(names, [])
  // A key that was rotated out verifies as long as it is published.
  await env.keyring.rotate('issuer')
  const [held] = await env.store.snapshot((tx) => reviewedServers(tx, env))
  assert.equal(held?.name, 'other')
})

test('credentials are sealed, replaceable, bound to their row, and in no record', async (t) => {
  const { env, server } = await documents(t)
  const request = { server: 'documents', name: 'api-key', value: 'Bearer hunter2-hunter2' }
  must(await setCredential(request, testReviewer, env))
  const open = (name: string, env2 = env): Promise<string | undefined> =>
    env.store.snapshot((tx) => openCredential(tx, server.id, name, env2))
  assert.equal(await open('api-key'), 'Bearer hunter2-hunter2')
  assert.equal(await open('other'), undefined)
  must(await setCredential({ ...request, value: 'hunter3-hunter3' }, testReviewer, env))
  assert.equal(await open('api-key'), 'hunter3-hunter3')
  await assert.rejects(open('api-key', { ...env, masterKey: Buffer.alloc(32) }))
  await sql`update upstream_credential set name = 'moved'`.execute(env.store.db)
  await assert.rejects(open('moved'))
  const { rows } = await sql<{ dump: string }>`
    select coalesce(string_agg(encode(sealed, 'escape'), ''), '') as dump from upstream_credential`.execute(
    env.store.db,
  )
  assert.ok(!rows[0]?.dump.includes('hunter2') && !rows[0]?.dump.includes('hunter3-hunter3'))
  const log = await entries(env)
  assert.deepEqual(
    log.slice(-2).map(({ kind }) => kind),
    ['server_credential_set', 'server_credential_set'],
  )
  assert.ok(!JSON.stringify(log).includes('hunter3-hunter3'))
  const shown = await env.store.snapshot((tx) => findServer(tx, 'documents'))
  assert.ok(!JSON.stringify(shown).includes('hunter3-hunter3'))
  for (const [bad, reason] of [
    [{ ...request, value: '' }, 'bad_value'],
    [{ ...request, value: 'a\r\nx-admin: 1' }, 'bad_value'],
    [{ ...request, value: 'é' }, 'bad_value'],
    [{ ...request, name: 'Api Key' }, 'bad_name'],
    [{ ...request, server: 'x' }, 'unknown_server'],
  ] as const) {
    assert.equal(reasonOf(await setCredential(bad, testReviewer, env)), reason)
  }
})

test('a name that no row could have names nothing', async (t) => {
  const env = await openTestRegistry(t)
  for (const name of ['', 'a\0b', "' or 1=1", 'srv_x', 'x'.repeat(10_000)]) {
    assert.equal(await env.store.snapshot((tx) => findServer(tx, name)), undefined)
  }
})

test('two reviews at once: one of them sees the other', async (t) => {
  const { env } = await documents(t)
  const results = await Promise.all([review(env, {}), review(env, {}), review(env, {})])
  assert.deepEqual(
    results.map((each) => must(each).revision).toSorted((a, b) => a - b),
    [2, 3, 4],
  )
  assert.equal((await load(env))?.revision, 4)
  await checkLog(env.store)
})

const confined = {
  type: 'stdio',
  command: 'true',
  args: [],
  limits: { memoryBytes: 268_435_456, processes: 32 },
  egress: [{ host: 'api.example.com', inject: { credential: 'office' } }, { host: '10.0.0.7' }],
} as const

test('limits and egress are registered, and pinned by the review', async (t) => {
  const env = await openTestRegistry(t)
  const request = { name: 'documents', title: 'Documents', transport: confined }
  must(await registerServer(request, testReviewer, env))
  const observed = must(await observeListing('documents', listing, env))
  const digests = Object.fromEntries(
    observed.definitions.map((each) => [definitionKey(each.kind, each.name), each.digest]),
  )
  const accepted = { server: 'documents', tools: [readTool], digests }
  const server = must(await reviewServer(accepted, testReviewer, env))
  assert.deepEqual(server.transport, confined)
  // Somebody with the database widens what was reviewed.
  for (const wider of [
    { ...confined, limits: { ...confined.limits, processes: 33 } },
    { ...confined, egress: [...confined.egress, { host: 'evil.example' }] },
    { ...confined, tier: 'T0' },
  ]) {
    await sql`update server set transport = ${JSON.stringify(wider)}::jsonb`.execute(env.store.db)
    const found = await load(env)
    assert.equal(found?.state, 'quarantined')
    assert.equal(found.tools.size, 0)
  }
  await sql`update server set transport = ${JSON.stringify(confined)}::jsonb`.execute(env.store.db)
  assert.equal((await load(env))?.state, 'reviewed')
})

test('a server that is changed has to be observed and reviewed again', async (t) => {
  const { env, server } = await documents(t)
  const accept = async (): Promise<Result<Server>> => {
    const digests = Object.fromEntries(
      must(await observeListing('documents', listing, env)).definitions.map((each) => [
        definitionKey(each.kind, each.name),
        each.digest,
      ]),
    )
    return await reviewServer(
      { server: 'documents', tools: [readTool], digests },
      testReviewer,
      env,
    )
  }
  const digests = Object.fromEntries(
    [...server.definitions.values()].map((each) => [
      definitionKey(each.kind, each.name),
      each.digest,
    ]),
  )
  const transport = { ...server.transport, limits: { processes: 32 } }
  const changed = must(await changeServer({ server: 'documents', transport }, testReviewer, env))
  assert.equal(changed.state, 'registered')
  assert.deepEqual((await load(env))?.transport, transport)
  assert.equal((await load(env))?.tools.size, 0)
  assert.deepEqual(await env.store.snapshot((tx) => reviewedServers(tx, env)), [])
  // What the program as it was had offered is not what is accepted of it as it is.
  const stale = { server: 'documents', tools: [readTool], digests }
  assert.equal(reasonOf(await reviewServer(stale, testReviewer, env)), 'not_observed')
  const again = must(await accept())
  assert.equal(again.state, 'reviewed')
  assert.equal(again.revision, 2)
  const kinds = (await entries(env)).map(({ kind }) => kind)
  assert.deepEqual(kinds.slice(2), ['server_changed', 'server_reviewed'])
  await checkLog(env.store)

  // Back to what was reviewed first is a change too.
  const { transport: first } = server
  must(await changeServer({ server: 'documents', transport: first }, testReviewer, env))
  assert.equal((await load(env))?.state, 'registered')
  const refused: [string, unknown, string][] = [
    ['nowhere', first, 'unknown_server'],
    ['documents', { ...first, limits: { processes: 0 } }, 'bad_transport'],
    ['documents', { type: 'ftp' }, 'bad_transport'],
  ]
  for (const [name, to, reason] of refused) {
    const got = await changeServer({ server: name, transport: to }, testReviewer, env)
    assert.equal(reasonOf(got), reason)
  }
  must(await withdrawServer('documents', testReviewer, env))
  const gone = await changeServer({ server: 'documents', transport: first }, testReviewer, env)
  assert.equal(reasonOf(gone), 'withdrawn')
})

test('a change keeps a credential only where it leads nowhere else', async (t) => {
  const env = await openTestRegistry(t)
  const web = { type: 'http', url: 'https://api.example.com/mcp', credential: 'office' }
  const cases: [string, object, object, boolean][] = [
    ['limits', confined, { ...confined, limits: { processes: 8 } }, true],
    ['the tier', confined, { ...confined, tier: 'T1' }, true],
    ['another program', confined, { ...confined, command: 'false' }, false],
    ['another host', confined, { ...confined, egress: [{ host: 'evil.example' }] }, false],
    ['another address', web, { ...web, url: 'https://evil.example/mcp' }, false],
    ['another transport', web, confined, false],
  ]
  for (const [i, [what, before, after, kept]] of cases.entries()) {
    const name = `server-${i}`
    const { id } = must(
      await registerServer({ name, title: name, transport: before }, testReviewer, env),
    )
    const credential = { server: name, name: 'office', value: 'sk-0123456789' }
    must(await setCredential(credential, testReviewer, env))
    must(await changeServer({ server: name, transport: after }, testReviewer, env))
    const left = await env.store.snapshot((tx) => openCredential(tx, id, 'office', env))
    assert.equal(left, kept ? 'sk-0123456789' : undefined, what)
  }
})
