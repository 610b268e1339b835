/**
 * Looks for a call that a stated property forbids: "no untrusted value reaches a money tool without a yes".
 *
 * Call `findCounterexample`. It tries calls made of what the policies speak of (kinds, groups, servers,
 * tools, stages, times, hosts, amounts just below and above each limit) and one of each that they do not
 * name. All combinations where they are few; else a sample, drawn from a seed. **Finding none proves
 * nothing beyond what was tried**: the answer says how many of how many that was.
 */

import { policyToJson } from '@cedar-policy/cedar-wasm/nodejs'
import * as z from 'zod'
import type { Random } from '../base/random.ts'
import { silentDiagnostics } from '../base/diagnostics.ts'
import { decide, type DecisionRequest } from '../decision/decide.ts'
import { SET_NAMES, type PolicySets } from '../decision/policy-set.ts'
import { readCall } from './test-file.ts'

const CLASSES = ['read', 'write', 'egress', 'destructive', 'money'] as const

/** A property: calls like this never come out like that. */
export const propertySchema = z.strictObject({
  name: z.string().min(1).max(200),
  /** Which calls are meant; a member that is left out may be anything. */
  where: z.strictObject({
    archetype: z.string().optional(),
    /** A group that the person is in; `null`: in none. */
    group: z.string().nullable().optional(),
    server: z.string().optional(),
    class: z.enum(CLASSES).optional(),
    consequential: z.boolean().optional(),
    ungrounded: z.boolean().optional(),
    confidential: z.boolean().optional(),
    approved: z.boolean().optional(),
    boundBy: z.enum(['dpop', 'mtls', 'none']).optional(),
    reviewed: z.boolean().optional(),
  }),
  never: z.enum(['permit', 'deny', 'step_up', 'approval_required']).default('permit'),
})
/** A stated property. */
export type Property = z.infer<typeof propertySchema>

/** What the search came to. */
export interface Search {
  /** A call that breaks the property. */
  readonly counterexample?: Combination
  /** How many calls were tried, of how many that there are to try. */
  readonly tried: number
  readonly of: number
}

/** One combination of everything that is varied. */
export type Combination = Readonly<Record<keyof Domains, unknown>>

/** At most this many calls are tried: the bound that the answer admits to. */
const MOST_TRIED = 4_000

/** Looks for a call that breaks `property`. */
export function findCounterexample(
  property: Property,
  policies: PolicySets,
  { random }: { readonly random: Random },
): Search {
  const domains = restricted(domainsOf(policies), property.where)
  const of = Object.values(domains).reduce((product, values) => product * values.length, 1)
  const all = of <= MOST_TRIED
  const most = Math.min(of, MOST_TRIED)
  for (let tried = 0; tried < most; tried++) {
    const combination = all ? numbered(domains, tried) : drawn(domains, random)
    const request = requestOf(combination as unknown as Chosen)
    if (decide(request, policies, { diagnostics: silentDiagnostics }).outcome === property.never) {
      return { counterexample: combination, tried: tried + 1, of }
    }
  }
  return { tried: most, of }
}

interface Domains {
  readonly archetype: readonly string[]
  readonly group: readonly (string | null)[]
  readonly server: readonly string[]
  readonly tool: readonly string[]
  readonly class: readonly (typeof CLASSES)[number][]
  readonly consequential: readonly boolean[]
  readonly ungrounded: readonly boolean[]
  readonly confidential: readonly boolean[]
  readonly approved: readonly boolean[]
  readonly boundBy: readonly ('dpop' | 'mtls' | 'none')[]
  readonly reviewed: readonly boolean[]
  readonly stage: readonly (string | null)[]
  readonly host: readonly string[]
  readonly amount: readonly number[]
  readonly time: readonly string[]
}

type Chosen = { readonly [K in keyof Domains]: Domains[K][number] }

const BOTH = [false, true]

/** What the policies name, and one of each that they do not. */
function domainsOf(policies: PolicySets): Domains {
  const text = SET_NAMES.filter((name) => name !== 'administration')
    .flatMap((name) => [...policies[name].policies.values()])
    .map((policy) => JSON.stringify(policyToJson(policy.text)))
    .join('\n')
  const named = (type: string): string[] => [
    ...new Set(
      [...text.matchAll(new RegExp(`"type":"${type}","id":"([^"\\\\]{1,200})"`, 'g'))].map(
        ([, id]) => id ?? '',
      ),
    ),
  ]
  const strings = [
    ...new Set([...text.matchAll(/"Value":"([^"\\]{1,100})"/g)].map(([, value]) => value ?? '')),
  ]
  const amounts = strings.filter((value) => /^\d+\.\d{1,4}$/.test(value)).map(Number)
  const times = strings.filter((value) => /^\d{4}-\d{2}-\d{2}(?:T|$)/.test(value))
  return {
    archetype: [...named('Archetype'), 'another-kind'],
    group: [...named('Group'), null],
    server: [...named('Server'), 'another-server'],
    tool: [...named('Tool').map((uid) => uid.slice(uid.indexOf('/') + 1)), 'another_tool'],
    class: CLASSES,
    consequential: BOTH,
    ungrounded: BOTH,
    confidential: BOTH,
    approved: BOTH,
    boundBy: ['dpop', 'mtls', 'none'],
    reviewed: [true, false],
    stage: [...strings.filter((value) => /^[a-z][a-z0-9_-]{0,40}$/.test(value)), null],
    host: [
      ...strings.filter((value) => /^[\w-]+(?:\.[\w-]+)+$/.test(value) && !/^[\d.]+$/.test(value)),
      'another.example',
    ],
    amount: [...new Set(amounts.flatMap((amount) => [amount, amount + 0.01])), 1],
    // Inside and outside of hours, and on both sides of each date.
    time: [
      '2026-01-05T10:00:00Z',
      '2026-01-04T03:00:00Z',
      ...times.map((value) => `${value.slice(0, 10)}T12:00:00Z`),
    ],
  }
}

function restricted(domains: Domains, where: Property['where']): Domains {
  const fixed = Object.entries(where).filter(([, value]) => value !== undefined)
  return { ...domains, ...Object.fromEntries(fixed.map(([name, value]) => [name, [value]])) }
}

/** The combination of a number, counting through all domains. */
function numbered(domains: Domains, number: number): Combination {
  let rest = number
  return mapped(domains, (values) => {
    const at = rest % values.length
    rest = Math.floor(rest / values.length)
    return at
  })
}

function drawn(domains: Domains, random: Random): Combination {
  return mapped(domains, (values) => random.bytes(4).readUInt32BE() % values.length)
}

function mapped(domains: Domains, at: (values: readonly unknown[]) => number): Combination {
  return Object.fromEntries(
    Object.entries(domains).map(([name, values]: [string, readonly unknown[]]) => [
      name,
      values[at(values)],
    ]),
  ) as Combination
}

function requestOf(chosen: Chosen): DecisionRequest {
  const { archetype, group, server, tool, host, amount } = chosen
  return readCall(
    {
      tool: `${server}/${tool}`,
      arguments: { to: `someone@${host}`, amount },
    },
    {
      agent: { archetype },
      person: { handle: 'somebody', groups: group === null ? [] : [group] },
      server: { state: chosen.reviewed ? 'reviewed' : 'quarantined' },
      reviewed: {
        class: chosen.class,
        consequential: chosen.consequential,
        sinks: [
          { path: 'to', kind: 'email' },
          { path: 'amount', kind: 'amount' },
        ],
      },
      boundBy: chosen.boundBy,
      stage: chosen.stage,
      time: chosen.time,
      confidential: chosen.confidential,
      ungrounded: chosen.ungrounded ? ['to'] : [],
      ...(chosen.approved && { approval: { by: 'per_other', entitled: 'grp_others' } }),
    },
  )
}
