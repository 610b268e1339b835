/**
 * Concrete requests that a version would permit and the one before it does not.
 *
 * Call `newlyPermitted`. `widening.ts` says which policies might make the difference; for each of them this
 * looks for a call, or an operation of the administration API, that shows it: first where its scope meets
 * those of what else must permit. **One that is not found may still exist**: the answer says how many were
 * tried. What is found is real: both versions were asked.
 */

import { type Random } from '../base/random.ts'
import { decideOperation } from '../decision/decide-operation.ts'
import { foresee } from '../decision/decide.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import { actionGroup, OPERATION_NAMES } from '../decision/schema.ts'
import { findFirst, focus, foundCall, permitted, type FoundCall } from './counterexample.ts'
import { domainsOf, requestOf, scopeOf, type Domains } from './domains.ts'
import { readOperation, type StatedOperation } from './test-file.ts'
import { told, widenings, type Widening } from './widening.ts'

/** A request that is permitted only by the later version. */
export interface NewlyPermitted {
  /** The difference that permits it, as `widening` says it. */
  readonly because: string
  readonly sentence: string
  /** As a test file states it. */
  readonly test: FoundCall['test'] | StatedOperation
}

/** What was found, one for each difference that shows, and how many requests were tried. */
export interface Difference {
  readonly found: readonly NewlyPermitted[]
  readonly tried: number
}

/** At most this many requests are tried, over all differences. */
const MOST_TRIED = 8_000
/** At most this many differences are looked at. */
const MOST_DIFFERENCES = 40

/** Looks for requests that `to` permits and `from` does not. */
export function newlyPermitted(
  from: PolicySets,
  to: PolicySets,
  { random }: { readonly random: Random },
): Difference {
  const differences = widenings(from, to).slice(0, MOST_DIFFERENCES)
  if (differences.length === 0) return { found: [], tried: 0 }
  const domains = domainsOf([from, to])
  const found: NewlyPermitted[] = []
  let tried = 0
  for (const [at, difference] of differences.entries()) {
    const most = Math.floor((MOST_TRIED - tried) / (differences.length - at))
    const shown =
      difference.set === 'administration'
        ? newOperation(difference, { from, to, domains })
        : newCall(difference, { from, to, domains, most, random })
    tried += shown.tried
    if (shown.found !== undefined) found.push({ because: told(difference), ...shown.found })
  }
  return { found: withoutRepetition(found), tried }
}

interface Shown {
  readonly found?: Omit<NewlyPermitted, 'because'>
  readonly tried: number
}

interface Versions {
  readonly from: PolicySets
  readonly to: PolicySets
  readonly domains: Domains
}

/** A call that shows a difference. */
function newCall(
  { set, change, policy }: Widening,
  {
    from,
    to,
    domains,
    most,
    random,
  }: Versions & { readonly most: number; readonly random: Random },
): Shown {
  const scope = scopeOf(policy)
  const foci = permitted(to, random).flatMap((scopes) => focus(domains, [scope, ...scopes]))
  // Whether the intent covers the call matters to nobody else.
  const anywhere = set === 'intent' ? [domains] : focus(domains, [])
  const { found, tried } = findFirst([...foci, ...focus(domains, [scope]), ...anywhere], {
    breaks: (chosen) => {
      const request = requestOf(chosen)
      const now = foresee(request, to)
      if (now.outcome !== 'permit') return false
      const was = foresee(request, from)
      // By this very policy, where the set is one that calls are put to.
      const saying = change === 'permit_added' ? now : was
      return (
        was.outcome !== 'permit' &&
        saying.verdicts.some(
          ({ constraint, policies }) => constraint === set && policies.includes(policy.id),
        )
      )
    },
    most,
    random,
  })
  return found === undefined ? { tried } : { found: foundCall(found, domains), tried }
}

/** An operation that shows a difference: there are few enough to try them all. */
function newOperation({ policy }: Widening, { from, to, domains }: Versions): Shown {
  let tried = 0
  const { person = domains.person, group = domains.group } = scopeOf(policy)
  for (const operation of OPERATION_NAMES) {
    for (const stated of statedOperations(operation, { person, group })) {
      tried++
      const request = readOperation(stated.when, stated.given)
      const permits = (policies: PolicySets): boolean =>
        decideOperation(request, policies).outcome === 'permit'
      if (!permits(to) || permits(from)) continue
      return { found: { sentence: sentenceOf(stated), test: stated }, tried }
    }
  }
  return { tried }
}

/** What may be said of the target of an operation, by its type. */
const FLAGS = {
  Installation: [],
  Agent: ['own'],
  Delegation: ['own', 'answers', 'mover'],
  Approval: ['entitled'],
} as const

/** An operation by each person, in each group, without and with everything that may be said of its target. */
function* statedOperations(
  operation: string,
  { person, group }: Pick<Domains, 'person' | 'group'>,
): Generator<StatedOperation> {
  const targets = Object.entries(FLAGS)
    .filter(([type]) => actionGroup(operation, type) !== undefined)
    .flatMap(([type, flags]) =>
      [[], ...flags.map((flag) => [flag])].map((said) => ({
        type: type.toLowerCase() as Lowercase<keyof typeof FLAGS>,
        ...Object.fromEntries(said.map((flag) => [flag, true])),
      })),
    )
  for (const handle of person) {
    for (const name of group) {
      const given = { person: { handle, ...(name !== null && { groups: [name] }) } }
      for (const target of targets) yield { given, when: { operation, target } }
    }
  }
}

function sentenceOf({ given: { person }, when: { operation, target } }: StatedOperation): string {
  const { handle = '', groups = [] } = person ?? {}
  const flags = Object.entries(target ?? {}).filter(([name]) => name !== 'type')
  const what = [target?.type ?? '', ...flags.map(([name]) => name)].join(', ')
  return `${[handle, ...groups.map((name) => `(${name})`)].join(' ')}, ${operation} (${what})`
}

/** One difference may be shown by what showed another. */
function withoutRepetition(found: readonly NewlyPermitted[]): NewlyPermitted[] {
  const bySentence = Map.groupBy(found, ({ sentence }) => sentence)
  return [...bySentence.values()].map(([first, ...others]) => ({
    ...(first as NewlyPermitted),
    because: [first, ...others].map((one) => one?.because ?? '').join('; '),
  }))
}
