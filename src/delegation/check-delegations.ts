/**
 * The invariants of all delegations at once. Tests call `checkDelegations` after every step that changes
 * something.
 */

import { sql } from 'kysely'
import { decodeEntry, type Entry } from '../audit/entry.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Delegation, DelegationId } from './delegation.ts'
import { allDelegations } from './delegation-store.ts'
import { limitsOf } from './limits.ts'
import { contains } from './narrowing.ts'
import { isAsSigned, verifySignedDelegation } from './signed-delegation.ts'

/**
 * Throws, naming the delegation, unless: each is as the issuer signed it; each lies within its parent in
 * authority, lifetime, person and stages; no counter is beyond its limit; and each is in the state,
 * stage and hands that the log says.
 */
export async function checkDelegations(
  store: Store,
  env: { readonly keyring: Keyring; readonly issuer: string },
): Promise<void> {
  await store.snapshot(async (tx) => {
    const all = new Map((await allDelegations(tx)).map((each) => [each.id, each]))
    const told = await toldByTheLog(tx)
    for (const each of all.values()) {
      const expect = (holds: boolean, what: string): void => {
        if (!holds) throw new Error(`expected of \`${each.id}\` that ${what}`)
      }
      const signed = verifySignedDelegation(each.signed, env)
      expect(signed.ok && isAsSigned(each, signed.value.claims), 'it is as it was signed')
      checkWithinParent(each, all, expect)
      checkToldByTheLog(each, told.get(each.id), expect)
    }
    await checkUsage(tx, all)
  })
}

type Expect = (holds: boolean, what: string) => void

/** INVARIANT (narrowing): over the whole tree, by the rows alone. */
function checkWithinParent(
  each: Delegation,
  all: ReadonlyMap<DelegationId, Delegation>,
  expect: Expect,
): void {
  if (each.parent === undefined)
    return expect(each.ancestors.length === 0, 'a root has no ancestors')
  const parent = all.get(each.parent)
  if (parent === undefined) return expect(false, 'its parent exists')
  expect(
    [...parent.ancestors, parent.id].join() === each.ancestors.join(),
    'its path is its parent’s',
  )
  expect(each.person === parent.person, 'the person is the same')
  expect(each.expiresAt <= parent.expiresAt, 'it expires with its parent')
  expect(contains(parent.details, each.details).ok, 'its details lie within those above')
  expect(each.stage === parent.stage, 'its stage is the tree’s')
}

/** What the log says of a delegation now. */
interface Told {
  readonly agent?: string
  readonly stage: string | null
  readonly state: Delegation['state']
}

function checkToldByTheLog(each: Delegation, told: Told | undefined, expect: Expect): void {
  if (told === undefined) return expect(false, 'the log says that it was created')
  expect(each.delegate.agent === told.agent, `it is \`${told.agent}\`’s`)
  if (each.parent === undefined)
    expect(each.stage === told.stage, `it is in stage \`${told.stage}\``)
  const expired =
    each.state === 'expired' && (told.state === 'active' || told.state === 'suspended')
  expect(expired || each.state === told.state, `it is ${told.state}`)
}

async function toldByTheLog(tx: Tx): Promise<Map<string, Told>> {
  const { rows } = await sql<{ entry: Buffer }>`
    select entry from log_entry where delegation is not null order by index`.execute(tx)
  const told = new Map<string, Told>()
  for (const row of rows) {
    const entry = decodeEntry(row.entry)
    if (!('delegation' in entry) || entry.delegation === undefined) continue
    const next = after(told.get(entry.delegation), entry)
    if (next !== undefined) told.set(entry.delegation, next)
  }
  return told
}

function after(before: Told | undefined, entry: Entry): Told | undefined {
  if (entry.kind === 'delegation_created') {
    const { agent } = entry.delegate
    return { stage: entry.stage, state: 'active', ...(agent === undefined ? {} : { agent }) }
  }
  if (before === undefined) return undefined
  switch (entry.kind) {
    case 'delegation_claimed':
      return { ...before, agent: entry.agent }
    case 'stage_moved':
      return { ...before, stage: entry.to }
    case 'delegation_suspended':
      return { ...before, state: 'suspended' }
    case 'delegation_resumed':
      return { ...before, state: 'active' }
    case 'delegation_completed':
      return { ...before, state: 'completed' }
    case 'delegation_revoked':
      return { ...before, state: 'revoked' }
    default:
      return before
  }
}

async function checkUsage(tx: Tx, all: ReadonlyMap<DelegationId, Delegation>): Promise<void> {
  for (const { id, details } of all.values()) {
    const limits = details.flatMap((detail, index) =>
      detail.actions.flatMap((action) => limitsOf(detail, action).map((l) => ({ ...l, index }))),
    )
    // The comparison is the database's: a counter is an exact decimal that a number might round.
    const { rows } = await sql<{ counter: string; within: boolean }>`
      select l.counter, coalesce(u.used <= l.most, false) as within
      from unnest(
        ${limits.map((l) => l.index)}::integer[], ${limits.map((l) => l.counter)}::text[],
        ${limits.map((l) => String(l.most))}::numeric[]
      ) as l (detail, counter, most)
      left join delegation_usage u
        on u.delegation = ${id} and u.detail = l.detail and u.counter = l.counter`.execute(tx)
    const beyond = rows.find((row) => !row.within)
    if (beyond !== undefined) throw new Error(`expected \`${id}\` within its \`${beyond.counter}\``)
  }
}
