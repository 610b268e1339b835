/** What may be registered, changed and withdrawn, by which name. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLog } from '../audit/check-log.ts'
import { must } from '../base/result.ts'
import { entriesFrom } from '../people/testing.ts'
import { openCredential, setCredential } from './credential.ts'
import { observeListing } from './observe.ts'
import { changeServer, registerServer, withdrawServer } from './register.ts'
import { reviewServer } from './review.ts'
import { findServer, listServers, reviewedServers } from './server-store.ts'
import {
  confined,
  listing,
  loadDocuments,
  openTestDocuments,
  readTool,
  reasonOf,
  reviewDocuments,
} from './testing-documents.ts'
import { digestsOf, openTestRegistry, testReviewer } from './testing.ts'

test('registering: what is refused', async (t) => {
  const env = await openTestRegistry(t)
  const stdio = { type: 'stdio', command: 'node', args: ['server.js'] }
  const good = { name: 'tax-engine', title: 'Tax engine', transport: stdio }
  const http = (url: string): object => ({ ...good, name: 'web', transport: { type: 'http', url } })
  const cases: [unknown, string][] = [
    [{ ...good, name: 'Tax' }, 'bad_name'],
    [{ ...good, name: 'tax__engine' }, 'bad_name'],
    [{ ...good, name: '' }, 'bad_name'],
    [{ ...good, name: 'behalf' }, 'bad_name'],
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
  assert.deepEqual(await entriesFrom(0, env.store), [])
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
  const { env } = await openTestDocuments(t)
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
  assert.equal(reasonOf(await reviewDocuments(env, {})), 'withdrawn')
  const credential = { server: 'documents', name: 'key', value: 'x' }
  assert.equal(reasonOf(await setCredential(credential, testReviewer, env)), 'withdrawn')
  assert.deepEqual(await env.store.snapshot((tx) => reviewedServers(tx, env)), [])
  assert.equal((await env.store.snapshot(listServers)).length, 1)
  assert.equal((await entriesFrom(0, env.store)).at(-1)?.kind, 'server_withdrawn')
})

test('a name that no row could have names nothing', async (t) => {
  const env = await openTestRegistry(t)
  for (const name of ['', 'a\0b', "' or 1=1", 'srv_x', 'x'.repeat(10_000)]) {
    assert.equal(await env.store.snapshot((tx) => findServer(tx, name)), undefined)
  }
})

test('a server that is changed has to be observed and reviewed again', async (t) => {
  const { env, server } = await openTestDocuments(t)
  const digests = digestsOf(server.definitions.values())
  const transport = { ...server.transport, limits: { processes: 32 } }
  const changed = must(await changeServer({ server: 'documents', transport }, testReviewer, env))
  assert.equal(changed.state, 'registered')
  assert.deepEqual((await loadDocuments(env))?.transport, transport)
  assert.equal((await loadDocuments(env))?.tools.size, 0)
  assert.deepEqual(await env.store.snapshot((tx) => reviewedServers(tx, env)), [])
  // What the program as it was had offered is not what is accepted of it as it is.
  const stale = { server: 'documents', tools: [readTool], digests }
  assert.equal(reasonOf(await reviewServer(stale, testReviewer, env)), 'not_observed')
  const again = must(await reviewDocuments(env, {}))
  assert.equal(again.state, 'reviewed')
  assert.equal(again.revision, 2)
  const kinds = (await entriesFrom(0, env.store)).map(({ kind }) => kind)
  assert.deepEqual(kinds.slice(2), ['server_changed', 'server_reviewed'])
  await checkLog(env.store)

  // Back to what was reviewed first is a change too.
  const { transport: first } = server
  must(await changeServer({ server: 'documents', transport: first }, testReviewer, env))
  assert.equal((await loadDocuments(env))?.state, 'registered')
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
