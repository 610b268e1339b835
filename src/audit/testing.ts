/** What tests of rooms that write to the log start from. */

import type { TestContext } from 'node:test'
import { FakeClock } from '../base/clock.ts'
import { SeededRandom } from '../base/random.ts'
import type { Migration, Store } from '../store/store.ts'
import { testStore } from '../store/testing.ts'
import type { Actor, Entry } from './entry.ts'
import { migrations } from './migrations.ts'
import { openVault, type Vault } from './vault.ts'

/** A log in a database of the test's own. */
export interface TestLog {
  readonly store: Store
  readonly vault: Vault
  readonly clock: FakeClock
  readonly random: SeededRandom
}

/** Opens an empty log with the tables of the log and of `more`; it ends with the test. */
export async function openTestLog(
  t: TestContext,
  more: readonly Migration[] = [],
): Promise<TestLog> {
  const clock = new FakeClock()
  const random = new SeededRandom(t.name)
  const store = await testStore(t, [...migrations, ...more])
  return { store, clock, random, vault: openVault({ random, clock }) }
}

/** A program of ours as the actor of an entry. */
export const testActor: Actor = { type: 'system', part: 'test' }

/** An entry of a harmless kind; `touches` what the test names. */
export function testEntry(group: string, touches?: readonly string[]): Entry {
  return {
    v: 1,
    time: 1_767_225_600_000,
    by: testActor,
    kind: 'group_created',
    group,
    name: group,
    ...(touches === undefined ? {} : { touches: [...touches] }),
  }
}
