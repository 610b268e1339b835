/**
 * This process among the others of its installation: names its calls, and after a crash says of those
 * that were recorded and not answered that their outcome is unknown.
 *
 * INVARIANT (record first): such a call may have been made or not; it is never made again from here.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import * as z from 'zod'
import { append } from '../audit/append.ts'
import type { EntryOf } from '../audit/entry.ts'
import { callsWithoutOutcome, type PlacedEntry } from '../audit/queries.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { logSize } from '../store/changes.ts'
import type { Store, Tx } from '../store/store.ts'

/** One process of the installation. */
export interface Instance {
  /** `<instance>.<number>`: which process made the call, and which of its calls. */
  readonly nextCall: () => string
  /** Records `unknown` for the calls that former processes of this home left without an outcome. */
  recover(env: { readonly store: Store; readonly clock: Clock }): Promise<number>
}

const former = z.array(z.string())
/** Names of former processes that are remembered: as many crashes in a row are recovered from. */
const REMEMBERED = 50

/** Names this process, remembering former ones in `file`. */
export function openInstance(file: string, env: { readonly random: Random }): Instance {
  const before = readFormer(file)
  const name = env.random.bytes(6).toString('hex')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify([...before, name].slice(-REMEMBERED)), { mode: 0o600 })
  let calls = 0
  return {
    nextCall: () => `${name}.${++calls}`,
    recover: (recovery) => recover(before, recovery),
  }
}

function readFormer(file: string): string[] {
  try {
    return former.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    // A file that a crash left half written names nobody; calls stay without an outcome, and visible.
    return []
  }
}

async function recover(
  names: readonly string[],
  { store, clock }: { readonly store: Store; readonly clock: Clock },
): Promise<number> {
  return await store.transaction(async (tx) => {
    const ours = await leftOpen(tx, names)
    if (ours.length === 0) return 0
    await append(
      tx,
      ours.map(({ index, entry }) => ({
        v: 1,
        kind: 'call_outcome',
        time: clock.nowMilliseconds(),
        by: { type: 'system', part: 'recovery' },
        call: entry.call,
        intended: index,
        delegation: entry.delegation,
        outcome: 'unknown',
        milliseconds: 0,
      })),
    )
    return ours.length
  })
}

/** The calls of these processes that have no outcome; those of others may still be under way. */
async function leftOpen(
  tx: Tx,
  names: readonly string[],
): Promise<PlacedEntry<EntryOf<'call_intended'>>[]> {
  const before = await logSize(tx)
  const ours: PlacedEntry<EntryOf<'call_intended'>>[] = []
  let from = 0
  for (;;) {
    const page = await callsWithoutOutcome(tx, before, { from })
    ours.push(...page.filter(({ entry }) => names.includes(entry.call.split('.')[0] ?? '')))
    const last = page.at(-1)
    if (last === undefined) return ours
    from = last.index + 1
  }
}
