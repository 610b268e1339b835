/**
 * Looks for a call that a stated property forbids: "no untrusted value reaches a money tool without a yes".
 *
 * Call `findCounterexample`. It tries calls made of what the policies speak of (`domains.ts`): all of them
 * where they are few; else a sample, drawn from a seed, first where the scopes of what permits meet, then
 * anywhere. **Finding none proves nothing beyond what was tried**: the answer says how many of how many.
 *
 * Properties travel with a version in files named `*.property.json` beside its tests. `tryProperties` runs
 * at every publish, off the server's own thread (`trial.ts`); `lostProperties` tells a reviewer what a
 * version would no longer promise.
 */

import * as z from 'zod'
import { canonicalJson, type Json } from '../base/canonical-json.ts'
import { type Random, SeededRandom } from '../base/random.ts'
import { foresee } from '../decision/decide.ts'
import type { Policy, PolicySets, SetName } from '../decision/policy-set.ts'
import { AGENCIES } from '../delegation/agency.ts'
import {
  CLASSES,
  METHODS,
  domainsOf,
  isPossible,
  requestOf,
  restricted,
  scopeOf,
  sentenceOf,
  statedCall,
  type Chosen,
  type Domains,
  type Restriction,
} from './domains.ts'
import type { StatedCall } from './test-file.ts'
import type { TestTexts } from './version.ts'

/** A property: calls like this never come out like that. */
export const propertySchema = z.strictObject({
  name: z.string().min(1).max(200),
  /** Which calls are meant; a member that is left out may be anything. */
  where: z.strictObject({
    archetype: z.string().optional(),
    person: z.string().optional(),
    /** A group that the person is in; `null`: in none. */
    group: z.string().nullable().optional(),
    method: z.enum(METHODS).optional(),
    server: z.string().optional(),
    tool: z.string().optional(),
    class: z.enum(CLASSES).optional(),
    consequential: z.boolean().optional(),
    ungrounded: z.boolean().optional(),
    confidential: z.boolean().optional(),
    /** Whether there is a yes to exactly this call. */
    approved: z.boolean().optional(),
    /** What the owner of the kind of agent set for such calls. */
    agency: z.enum(AGENCIES).optional(),
    boundBy: z.enum(['dpop', 'mtls', 'none']).optional(),
    reviewed: z.boolean().optional(),
  }),
  never: z.enum(['permit', 'deny', 'step_up', 'approval_required']).default('permit'),
})
/** A stated property. */
export type Property = z.infer<typeof propertySchema>

/** A call that was found. */
export interface FoundCall {
  /** One line for people. */
  readonly sentence: string
  /** As a test file states it, to be kept as a test. */
  readonly test: StatedCall
}

/** What the search came to. */
export interface Search {
  /** A call that breaks the property. */
  readonly counterexample?: FoundCall
  /** How many calls were tried, of how many that there are to try. */
  readonly tried: number
  readonly of: number
  /** Whether every one of them was tried. A sample may hold one call twice. */
  readonly exhaustive: boolean
}

/** How far a property of a version was tried. */
export interface PropertyTried extends Omit<Search, 'counterexample'> {
  readonly file: string
  readonly name: string
}

/** At most this many calls are tried for one property: the bound that the answer admits to. */
const MOST_TRIED = 12_000
/** At most this many for all properties of a version: what some leave over, the others have. */
const MOST_IN_ALL = 120_000
/** At most this many properties of one version. */
const MOST_PROPERTIES = 50
/** At most this many places to look at first. */
const MOST_FOCI = 48

/** Looks for a call that breaks `property`. */
export function findCounterexample(
  property: Property,
  policies: PolicySets,
  { random, most = MOST_TRIED }: { readonly random: Random; readonly most?: number },
): Search {
  const { approved, ...named } = property.where
  const fixed = Object.entries(named).filter(([, value]) => value !== undefined)
  const where = {
    ...(Object.fromEntries(fixed.map(([name, value]) => [name, [value]])) as Restriction),
    ...(approved !== undefined && {
      approval: approved ? (['other', 'own'] as const) : (['none'] as const),
    }),
  }
  // What is asked about may be named by no policy.
  const all = domainsOf([policies])
  const domains = { ...all, ...where }
  const of = sizeOf(domains)
  const exhaustive = of <= most
  const env = {
    breaks: (chosen: Chosen) => foresee(requestOf(chosen), policies).outcome === property.never,
    most,
    random,
  }
  // What is found where permits meet says more to people than what is found anywhere.
  const foci = permitted(policies, random).flatMap((scopes) => focus(domains, scopes))
  const near = findFirst(exhaustive ? foci : [...foci, domains], env)
  const { found, tried } = near.found === undefined && exhaustive ? findFirst([domains], env) : near
  if (found === undefined) return { tried, of, exhaustive }
  return { counterexample: foundCall(found, all), tried, of, exhaustive: false }
}

/**
 * Tries the properties of a version: names every one that does not hold, with a call that breaks it, and
 * every file that is none; and says of the others how far they were tried.
 */
export function tryProperties(
  tests: TestTexts,
  policies: PolicySets,
): { readonly problems: readonly string[]; readonly tried: readonly PropertyTried[] } {
  const files = Object.entries(tests).filter(([file]) => isPropertyFile(file))
  // Each takes thousands of decisions, here and again at activation.
  if (files.length > MOST_PROPERTIES) {
    const problem = `expected at most ${MOST_PROPERTIES} properties, got ${files.length}`
    return { problems: [problem], tried: [] }
  }
  const problems: string[] = []
  const done: PropertyTried[] = []
  let left = MOST_IN_ALL
  for (const [at, [file, text]] of files.entries()) {
    const property = parseProperty(text)
    if (typeof property === 'string') {
      problems.push(`${file}: ${property}`)
      continue
    }
    const search = findCounterexample(property, policies, {
      // The same for everybody who checks this version.
      random: new SeededRandom(policies.version),
      most: Math.min(MOST_TRIED, Math.floor(left / (files.length - at))),
    })
    const { counterexample, ...reach } = search
    left -= reach.tried
    if (counterexample === undefined) done.push({ file, name: property.name, ...reach })
    else problems.push(`${file}: \`${property.name}\` does not hold: ${counterexample.sentence}`)
  }
  return { problems, tried: done }
}

/** How far a search went, for people. */
export function reachText({ tried, of, exhaustive }: Omit<Search, 'counterexample'>): string {
  return exhaustive ? `in all ${of} calls` : `in ${tried} drawn of ${of} calls`
}

/** The properties of `before` that `after` does not state any more, in plain words. */
export function lostProperties(before: TestTexts, after: TestTexts): string[] {
  const kept = new Set(propertiesIn(after).map(meaningOf))
  return propertiesIn(before)
    .filter((property) => !kept.has(meaningOf(property)))
    .map(({ name }) => `the property \`${name}\` would no longer be checked`)
}

/** Whether a file beside the tests states a property. */
export function isPropertyFile(file: string): boolean {
  return file.endsWith('.property.json')
}

function propertiesIn(tests: TestTexts): Property[] {
  return Object.entries(tests)
    .filter(([file]) => isPropertyFile(file))
    .map(([, text]) => parseProperty(text))
    .filter((property) => typeof property !== 'string')
}

function meaningOf({ where, never }: Property): string {
  return canonicalJson({ where: { ...where } as Record<string, Json>, never })
}

function parseProperty(text: string): Property | string {
  try {
    return propertySchema.parse(JSON.parse(text))
  } catch (cause) {
    const [issue] = (cause as { issues?: { path: PropertyKey[]; message: string }[] }).issues ?? []
    return issue === undefined ? String(cause) : `\`${issue.path.join('.')}\`: ${issue.message}`
  }
}

/**
 * Where the scopes of what permits meet: each a permit for agents and one for people, in turn or, where they
 * are many, drawn.
 */
export function permitted(policies: PolicySets, random: Random): Restriction[][] {
  const [agents, people] = (['agent', 'person'] as const).map((set) =>
    permitsOf(policies, set),
  ) as [Policy[], Policy[]]
  const all = agents.length * people.length
  return Array.from({ length: Math.min(all, MOST_FOCI) }, (_, i) => {
    const at = all <= MOST_FOCI ? i : random.bytes(4).readUInt32BE() % all
    const pair = [agents[at % agents.length], people[Math.floor(at / agents.length)]]
    return pair.flatMap((policy) => (policy === undefined ? [] : [scopeOf(policy)]))
  })
}

function permitsOf(policies: PolicySets, set: SetName): Policy[] {
  return [...policies[set].policies.values()].filter(({ effect }) => effect === 'permit')
}

/** The domains where scopes meet, and nothing else is in the way: none where they do not meet. */
export function focus(domains: Domains, scopes: readonly Restriction[]): Domains[] {
  const covered = domains.uncovered.includes('none') ? [{ uncovered: ['none'] } as const] : []
  const focused = restricted(domains, [...scopes, ...covered])
  return focused === undefined ? [] : [focused]
}

/** The first possible call that `breaks`, made as ordinary as it can be and still break. */
export function findFirst(
  foci: readonly Domains[],
  env: {
    readonly breaks: (chosen: Chosen) => boolean
    readonly most: number
    readonly random: Random
  },
): { readonly found?: Chosen; readonly tried: number } {
  const breaks = (chosen: Chosen): boolean => isPossible(chosen) && env.breaks(chosen)
  let tried = 0
  for (const [at, domains] of foci.entries()) {
    // What one place leaves over, those after it have.
    const share = Math.ceil((env.most - tried) / (foci.length - at))
    const of = sizeOf(domains)
    for (let number = 0; number < Math.min(of, share); number++) {
      const chosen = of <= share ? numbered(domains, number) : drawn(domains, env.random)
      tried++
      if (breaks(chosen)) return { found: plainest(chosen, domains, breaks), tried }
    }
  }
  return { tried }
}

/** The call with each value that need not be what it is made the first of its domain. */
function plainest(chosen: Chosen, domains: Domains, breaks: (chosen: Chosen) => boolean): Chosen {
  let plain = chosen
  for (const [name, [first]] of Object.entries(domains) as [keyof Domains, unknown[]][]) {
    const plainer = { ...plain, [name]: first } as Chosen
    if (plain[name] !== first && breaks(plainer)) plain = plainer
  }
  return plain
}

/** A call as it is told. */
export function foundCall(chosen: Chosen, domains: Domains): FoundCall {
  return { sentence: sentenceOf(chosen, domains), test: statedCall(chosen) }
}

function sizeOf(domains: Domains): number {
  const size = Object.values(domains).reduce((product, values) => product * values.length, 1)
  return Math.min(size, Number.MAX_SAFE_INTEGER)
}

/** The combination of a number, counting through all domains. */
function numbered(domains: Domains, number: number): Chosen {
  let rest = number
  return mapped(domains, (values) => {
    const at = rest % values.length
    rest = Math.floor(rest / values.length)
    return at
  })
}

function drawn(domains: Domains, random: Random): Chosen {
  const bytes = random.bytes(4 * Object.keys(domains).length)
  let at = -4
  return mapped(domains, (values) => bytes.readUInt32BE((at += 4)) % values.length)
}

function mapped(domains: Domains, at: (values: readonly unknown[]) => number): Chosen {
  return Object.fromEntries(
    Object.entries(domains).map(([name, values]: [string, readonly unknown[]]) => [
      name,
      values[at(values)],
    ]),
  ) as Chosen
}
