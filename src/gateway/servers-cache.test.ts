/** The window that a cache of servers could open: what it hands out must stand where it says it was read. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withdrawServer } from '../registry/register.ts'
import {
  openTestRegistry,
  reviewedTestServer,
  testListing,
  testReviewer,
  testTool,
} from '../registry/testing.ts'
import { logSize } from '../store/changes.ts'
import type { Store } from '../store/store.ts'
import { ServersCache } from './servers-cache.ts'

const echo = { name: 'echo', class: 'read', sinks: [], consequential: false } as const

test('what was forgotten while somebody waited for it is not made younger', async (t) => {
  const registry = await openTestRegistry(t)
  const listing = testListing([testTool('echo', {})])
  const reviewed = { name: 'documents', listing, tools: [echo] }
  const { id } = await reviewedTestServer(reviewed, registry)
  const readAt = await registry.store.snapshot(logSize)
  let caughtUpTo = 0
  const slow = new Slow()
  const servers = new ServersCache({
    store: slow.through(registry.store),
    keyring: registry.keyring,
    isFresh: () => true,
    caughtUpTo: () => caughtUpTo,
  })
  // Two ask while the read is under way; before it comes back, the server is withdrawn and the feed says so.
  const both = [servers.all(), servers.all()]
  await slow.arrived
  await withdrawServer('documents', testReviewer, registry)
  servers.forget()
  caughtUpTo = await registry.store.snapshot(logSize)
  slow.release()
  for (const known of await Promise.all(both)) {
    assert.deepEqual(
      known.map(({ server, readAt: at }) => [server.id, at]),
      [[id, readAt]],
    )
  }
  assert.deepEqual(await servers.all(), [], 'and it is not kept')
})

test('what nothing has changed stands up to where the feed has come', async (t) => {
  const registry = await openTestRegistry(t)
  const listing = testListing([testTool('echo', {})])
  await reviewedTestServer({ name: 'documents', listing, tools: [echo] }, registry)
  let caughtUpTo = 0
  let reads = 0
  const counted: Store = {
    ...registry.store,
    snapshot: (work) => {
      reads++
      return registry.store.snapshot(work)
    },
  }
  const fresh = { now: true }
  const servers = new ServersCache({
    store: counted,
    keyring: registry.keyring,
    isFresh: () => fresh.now,
    caughtUpTo: () => caughtUpTo,
  })
  const [first] = await servers.all()
  caughtUpTo = 1_000
  const [second] = await servers.all()
  assert.equal(second?.server, first?.server)
  assert.equal(second?.readAt, 1_000)
  assert.equal(reads, 1)
  fresh.now = false
  assert.equal((await servers.all())[0]?.readAt, first?.readAt)
  assert.equal(reads, 2, 'without a feed nothing that was kept is believed')
})

test('a read that failed is not kept', async (t) => {
  const registry = await openTestRegistry(t)
  let failing = true
  const store: Store = {
    ...registry.store,
    snapshot: (work) =>
      failing ? Promise.reject(new Error('away')) : registry.store.snapshot(work),
  }
  const { keyring } = registry
  const servers = new ServersCache({ store, keyring, isFresh: () => true, caughtUpTo: () => 0 })
  await assert.rejects(servers.all(), { message: 'away' })
  failing = false
  assert.deepEqual(await servers.all(), [])
})

/** A database whose first snapshot has been read when `arrived` resolves, and comes back on `release`. */
class Slow {
  readonly #arrived = Promise.withResolvers<void>()
  readonly #released = Promise.withResolvers<void>()
  readonly arrived = this.#arrived.promise
  #held = true

  release(): void {
    this.#released.resolve()
  }

  through(store: Store): Store {
    return {
      ...store,
      snapshot: async (work) => {
        const read = await store.snapshot(work)
        if (!this.#held) return read
        this.#held = false
        this.#arrived.resolve()
        await this.#released.promise
        return read
      },
    }
  }
}
