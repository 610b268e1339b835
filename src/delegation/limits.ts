/**
 * Limits: how often and how much, counted over the whole delegation and over everything above it.
 *
 * Call `debit` in the transaction that admits a call. It is free of statements where no limit is in
 * sight, so `chargesOf` can be asked first whether the call needs a transaction of its own.
 *
 * INVARIANT (narrowing): a call is debited from the delegation it is made under and from every ancestor,
 * from a detail that covers it there, all or nothing; no counter ever exceeds what its detail states.
 */

import { sql } from 'kysely'
import type { JsonObject } from '../base/canonical-json.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import { type Answer, orFail, send, type Statement } from '../store/statement.ts'
import type { Tx } from '../store/store.ts'
import { valuesAt } from './argument-path.ts'
import { type Approver, type CallFacts, conditionsOn, coveringDetails, covers } from './covers.ts'
import type { Delegation, DelegationId } from './delegation.ts'
import { argumentsKey, type McpCallDetail } from './intent.ts'
import { amountOf } from './predicate.ts'
import { branchOf, type Tree } from './standing.ts'

/** What one call takes from one counter. */
export interface Charge {
  readonly delegation: DelegationId
  /** Index of the detail that states the limit. */
  readonly detail: number
  readonly counter: string
  /** What is added: 1 for a call, or the amounts that the arguments carry. */
  readonly amounts: readonly number[]
  readonly most: number
}

/** Why a call is beyond its limits, and whose they are. */
export type LimitRefusal =
  | {
      readonly reason: 'limit_exhausted'
      readonly delegation: DelegationId
      readonly counter: string
    }
  /** The intent of this delegation of the tree does not cover the call at all. */
  | { readonly reason: 'not_covered'; readonly delegation: DelegationId }

/** Debits a call from its delegation and from every ancestor. */
export async function debit(
  tx: Tx,
  tree: Tree,
  call: CallFacts,
): Promise<Result<readonly Charge[], LimitRefusal>> {
  const charges = chargesOf(tree, call)
  if (!charges.ok || charges.value.length === 0) return charges
  const [answer] = await send(tx, [debitStatement(charges.value)])
  const refused = answer && firstUnfit(charges.value, answer)
  return refused === undefined ? charges : refuse({ reason: 'limit_exhausted', ...refused })
}

/** What a call would be debited from, nearest to the root first; empty if nothing limits it. */
export function chargesOf(tree: Tree, call: CallFacts): Result<readonly Charge[], LimitRefusal> {
  const approver = covers(tree.delegation.details, call).approval?.by
  const charges: Charge[] = []
  for (const delegation of branchOf(tree)) {
    const detail = chargedDetail(delegation, call, approver)
    if (detail === undefined) return refuse({ reason: 'not_covered', delegation: delegation.id })
    const limits = limitsOf(delegation.details[detail] as McpCallDetail, call.action)
    for (const { counter, most, path } of limits) {
      const amounts = path === undefined ? [1] : amountsAt(call.arguments, path)
      charges.push({ delegation: delegation.id, detail, counter, amounts, most })
    }
  }
  return ok(charges)
}

/** Opens the counters of a new delegation, all at zero. */
export async function openUsage(tx: Tx, { id, details }: Delegation): Promise<void> {
  const counters = details.flatMap((detail, index) => {
    const names = detail.actions.flatMap((action) => limitsOf(detail, action).map((l) => l.counter))
    return [...new Set(names)].map((counter) => ({ index, counter }))
  })
  if (counters.length === 0) return
  await sql`
    insert into delegation_usage (delegation, detail, counter)
    select ${id}, * from unnest(
      ${counters.map((c) => c.index)}::integer[], ${counters.map((c) => c.counter)}::text[]
    )`.execute(tx)
}

/** One limit that a detail sets on an action. Amounts are taken from `path`; calls are counted without. */
export interface Limit {
  readonly counter: string
  readonly most: number
  readonly path?: string
}

/** The limits of a detail on one action: those that it states for all actions, and its `sum` predicates. */
export function limitsOf(detail: McpCallDetail, action: string): Limit[] {
  const { calls, sum = {} } = detail.limits ?? {}
  const key = argumentsKey(action)
  return [
    ...(calls === undefined ? [] : [{ counter: 'calls', most: calls }]),
    ...Object.entries(sum).map(([path, most]) => ({ counter: `total ${path}`, most, path })),
    ...Object.entries(conditionsOn(detail, action)).flatMap(([path, condition]) =>
      condition.sum === undefined
        ? []
        : [{ counter: `sum ${key} ${path}`, most: condition.sum, path }],
    ),
  ]
}

/** The detail that a call is charged to: it covers the call, and accepts who approves it. */
function chargedDetail(
  { details }: Delegation,
  call: CallFacts,
  approver: Approver | undefined,
): number | undefined {
  return coveringDetails(details, call).find((index) => {
    const by = details[index]?.approval?.by
    return by === undefined || by === approver
  })
}

function amountsAt(values: JsonObject, path: string): number[] {
  const found = valuesAt(values, path)
  const amounts = found.kind === 'values' ? found.values.map(amountOf) : []
  if (amounts.length === 0 || amounts.includes(undefined)) {
    throw new Error(`expected amounts at \`${path}\` of a call that is covered`)
  }
  return amounts as number[]
}

/** The statement that adds the charges if all fit, and else changes nothing: to go with others in one batch. */
export function debitStatement(charges: readonly Charge[]): Statement {
  return { name: 'debit', text: DEBIT, values: amountsIn(charges) }
}

/** The statement that adds the charges of many calls, and fails (`orFail`) unless all fit. */
export function debitAllStatement(charges: readonly Charge[]): Statement {
  return { name: 'debit_all', text: DEBIT_ALL, values: amountsIn(charges) }
}

function amountsIn(charges: readonly Charge[]): readonly (readonly unknown[])[] {
  const rows = charges.flatMap((charge) => charge.amounts.map((amount) => ({ ...charge, amount })))
  return [
    rows.map((r) => r.delegation),
    rows.map((r) => r.detail),
    rows.map((r) => r.counter),
    rows.map((r) => String(r.amount)),
    rows.map((r) => String(r.most)),
  ]
}

/** Reads the answer of `debitStatement`: why nothing was taken, if so. A lost counter is one caller's trouble. */
export function unaffordable(charges: readonly Charge[]): (answer: Answer) => string | undefined {
  return (answer) => {
    if (answer.rows.length !== charges.length) return 'limit_unknown'
    return firstUnfit(charges, answer) && 'limit_exhausted'
  }
}

// Amounts travel as decimal text and are added as `numeric`: a tenth and two tenths make three tenths.
// Counters are locked in one order, so that two calls never wait for each other.
const SPENT = `
  with charge as materialized (
    select delegation, detail, counter, sum(amount) as amount, min(most) as most
    from unnest($1::text[], $2::integer[], $3::text[], $4::numeric[], $5::numeric[])
      as c (delegation, detail, counter, amount, most)
    group by delegation, detail, counter
  ), held as materialized (
    select u.delegation, u.counter, u.used + c.amount <= c.most as fits
    from delegation_usage u join charge c using (delegation, detail, counter)
    order by u.delegation, u.detail, u.counter
    for update of u
  ), whole as (
    select bool_and(fits) and count(*) = (select count(*) from charge) as fits from held
  ), spent as (
    update delegation_usage u set used = u.used + c.amount
    from charge c
    where u.delegation = c.delegation and u.detail = c.detail and u.counter = c.counter
      and (select fits from whole)
  )`

const DEBIT = `${SPENT} select delegation, counter, fits from held`

const DEBIT_ALL = `${SPENT} select ${orFail('fits')} from whole`

/** The first counter that the charges do not fit into. */
function firstUnfit(
  charges: readonly Charge[],
  { rows }: Answer,
): { delegation: DelegationId; counter: string } | undefined {
  if (rows.length !== charges.length) throw new Error('expected a counter for every limit')
  const held = rows as readonly { delegation: DelegationId; counter: string; fits: boolean }[]
  const unfit = held.find((row) => !row.fits)
  return unfit && { delegation: unfit.delegation, counter: unfit.counter }
}
