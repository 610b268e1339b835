/** Drift: whatever differs from what was reviewed, and that only another review ends it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLog } from '../audit/check-log.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { entriesFrom } from '../people/testing.ts'
import type { Listing } from './definition.ts'
import { observeListing } from './observe.ts'
import { reviewedServers } from './server-store.ts'
import {
  listing,
  loadDocuments,
  openTestDocuments,
  read,
  readTool,
  reasonOf,
  reviewDocuments,
  write,
} from './testing-documents.ts'
import { openTestRegistry, reviewedTestServer, testListing, testTool } from './testing.ts'

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
      const last = (await entriesFrom(0, env.store)).at(-1)
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
  const { env } = await openTestDocuments(t)
  const changed = { ...listing, tools: [{ ...read, description: 'x' }, write] }
  must(await observeListing('documents', changed, env))
  must(await observeListing('documents', listing, env))
  assert.equal((await loadDocuments(env))?.state, 'quarantined')
  const again = must(await reviewDocuments(env, {}, changed))
  assert.equal(again.state, 'reviewed')
  assert.equal(again.reason, undefined)
  assert.equal(again.revision, 2)
  assert.equal(again.definitions.get('tool:read')?.value['description'], 'x')
  assert.deepEqual(await loadDocuments(env), again)
})

test('a listing that cannot be pinned is refused, and drift where there was a review', async (t) => {
  const { env } = await openTestDocuments(t)
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
  assert.equal((await loadDocuments(env))?.state, 'quarantined')
  const kinds = (await entriesFrom(0, env.store)).map(({ kind }) => kind)
  assert.deepEqual(kinds, ['server_registered', 'server_reviewed', 'server_quarantined'])
})
