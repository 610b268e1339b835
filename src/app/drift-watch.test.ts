import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { ok } from '../base/result.ts'
import { loadServer } from '../registry/server-store.ts'
import { openTestRegistry, reviewedTestServer, testListing, testTool } from '../registry/testing.ts'
import { FakeUpstreams } from '../upstream/fake-upstreams.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { DriftWatch } from './drift-watch.ts'

const echo = { name: 'echo', class: 'read', sinks: [], consequential: false } as const

/** Servers that offer what `offers` says, and count how often they are looked at. */
class Offering extends FakeUpstreams {
  offers = testListing([testTool('echo', {})])
  looks = 0
  atOnce = 0
  mostAtOnce = 0

  override async observe(): ReturnType<Upstreams['observe']> {
    this.looks++
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
    await settle()
    this.atOnce--
    return ok(this.offers as never)
  }
}

test('a server is looked at once a minute, and when it says that something changed', async (t) => {
  const registry = await openTestRegistry(t)
  const listing = testListing([testTool('echo', {})])
  const { id } = await reviewedTestServer({ name: 'documents', listing, tools: [echo] }, registry)
  const upstreams = new Offering()
  const watch = new DriftWatch({ ...registry, diagnostics: silentDiagnostics })
  const ending = new AbortController()
  t.after(() => ending.abort())
  watch.start({ upstreams }, ending.signal)
  await until(() => upstreams.looks === 1 && upstreams.atOnce === 0)
  // What was seen is written before the watch sleeps; time that moves earlier wakes nobody.
  await until(() => registry.clock.sleepers === 1)
  await registry.clock.advance(60_000)
  await until(() => upstreams.looks === 2 && upstreams.atOnce === 0)

  for (let i = 0; i < 1_000; i++) watch.look(id)
  await until(() => upstreams.looks >= 3 && upstreams.atOnce === 0)
  await settle()
  assert.equal(upstreams.mostAtOnce, 1, 'however often it says so')
  assert(upstreams.looks <= 4)

  upstreams.offers = testListing([testTool('echo', {}, { description: 'something else' })])
  watch.look(id)
  await until(() => upstreams.dropped.length === 1)
  const server = await registry.store.snapshot((tx) => loadServer(tx, id, registry))
  assert.equal(server?.state, 'quarantined')
})

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5))
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await settle()
}
