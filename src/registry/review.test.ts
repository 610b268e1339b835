/** What a review accepts, pins and infers, and that it holds for what was signed and nothing else. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { checkLog } from '../audit/check-log.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { entriesFrom } from '../people/testing.ts'
import type { Listing } from './definition.ts'
import { observeListing } from './observe.ts'
import { registerServer } from './register.ts'
import { type ReviewRequest, reviewServer } from './review.ts'
import { listServers, loadServer, reviewedServers } from './server-store.ts'
import { resourceDefinition } from './server.ts'
import {
  confined,
  listing,
  loadDocuments,
  openTestDocuments,
  read,
  readTool,
  reasonOf,
  reviewDocuments,
} from './testing-documents.ts'
import {
  openTestRegistry,
  reviewedTestServer,
  testListing,
  testReviewer,
  testTool,
} from './testing.ts'

test('a server is offered as reviewed: chosen tools, everything else that was seen', async (t) => {
  const { env, server } = await openTestDocuments(t)
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
  const kinds = (await entriesFrom(0, env.store)).map((entry) => [entry.kind, entry.touches])
  assert.deepEqual(kinds, [
    ['server_registered', [server.id]],
    ['server_reviewed', [server.id]],
  ])
  await checkLog(env.store)
})

function schema(inputSchema: JsonObject): Listing {
  return testListing([{ name: 'read', inputSchema }])
}

function sinks(path: string): Partial<ReviewRequest> {
  return { tools: [{ ...readTool, sinks: [{ path, kind: 'path' }] }] }
}

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
    const got = await reviewDocuments(env, change, seen)
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
    must(await reviewDocuments(env, { tools }, seen))
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

test('limits and egress are registered, and pinned by the review', async (t) => {
  const env = await openTestRegistry(t)
  const request = { name: 'documents', title: 'Documents', transport: confined }
  must(await registerServer(request, testReviewer, env))
  const server = must(await reviewDocuments(env, {}))
  assert.deepEqual(server.transport, confined)
  // Somebody with the database widens what was reviewed.
  for (const wider of [
    { ...confined, limits: { ...confined.limits, processes: 33 } },
    { ...confined, egress: [...confined.egress, { host: 'evil.example' }] },
    { ...confined, tier: 'T0' },
  ]) {
    await sql`update server set transport = ${JSON.stringify(wider)}::jsonb`.execute(env.store.db)
    const found = await loadDocuments(env)
    assert.equal(found?.state, 'quarantined')
    assert.equal(found.tools.size, 0)
  }
  await sql`update server set transport = ${JSON.stringify(confined)}::jsonb`.execute(env.store.db)
  assert.equal((await loadDocuments(env))?.state, 'reviewed')
})

test('two reviews at once: one of them sees the other', async (t) => {
  const { env } = await openTestDocuments(t)
  const results = await Promise.all([
    reviewDocuments(env, {}),
    reviewDocuments(env, {}),
    reviewDocuments(env, {}),
  ])
  assert.deepEqual(
    results.map((each) => must(each).revision).toSorted((a, b) => a - b),
    [2, 3, 4],
  )
  assert.equal((await loadDocuments(env))?.revision, 4)
  await checkLog(env.store)
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
      const { env, server } = await openTestDocuments(each)
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
  const { env } = await openTestDocuments(t)
  await reviewedTestServer({ name: 'other', listing, tools: [] }, env)
  await sql`update server_review set signed = (select signed from server_review r join server s on s.id = r.server where s.name = 'other')`.execute(
    env.store.db,
  )
  assert.equal((await loadDocuments(env))?.state, 'quarantined')
  const stranger = await openTestRegistry(t)
  const names = await env.store.snapshot((tx) => reviewedServers(tx, stranger))
  assert.deepEqual(names, [])
  // A key that was rotated out verifies as long as it is published.
  await env.keyring.rotate('issuer')
  const [held] = await env.store.snapshot((tx) => reviewedServers(tx, env))
  assert.equal(held?.name, 'other')
})
