/**
 * What a search varies: calls made of what policies speak of, and one of each that they do not name.
 *
 * `domainsOf` reads kinds, people, groups, servers, tools, stages, hosts and times out of the policies, and
 * amounts on both sides of each limit. The first value of each domain is the ordinary one. What no policy
 * looks at is not varied: it could change nothing.
 */

import { policyToJson, type PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { DecisionRequest } from '../decision/decide.ts'
import { mentionsOf, type Mentions } from '../decision/mentions.ts'
import { SET_NAMES, type Policy, type PolicySets } from '../decision/policy-set.ts'
import { actionsOf, uidOf } from '../decision/scope.ts'
import { AGENCIES } from '../delegation/agency.ts'
import { readCall, type StatedCall } from './test-file.ts'

/** Classes of tools. */
export const CLASSES = ['read', 'write', 'egress', 'destructive', 'money'] as const

/** MCP methods that use something. */
export const METHODS = ['tools/call', 'resources/read', 'prompts/get'] as const

/** Everything that is varied, each with the values that are tried. */
export interface Domains {
  readonly archetype: readonly string[]
  readonly person: readonly string[]
  readonly group: readonly (string | null)[]
  readonly method: readonly (typeof METHODS)[number][]
  readonly server: readonly string[]
  readonly tool: readonly string[]
  readonly class: readonly (typeof CLASSES)[number][]
  readonly consequential: readonly boolean[]
  readonly reviewed: readonly boolean[]
  /** Where the server runs. */
  readonly tier: readonly ('T0' | 'T1' | 'remote' | 'none')[]
  readonly ungrounded: readonly boolean[]
  readonly confidential: readonly boolean[]
  readonly agency: readonly (typeof AGENCIES)[number][]
  readonly boundBy: readonly ('dpop' | 'mtls' | 'none')[]
  /** Whose yes there is to exactly this call: nobody's, another person's, the delegating person's own. */
  readonly approval: readonly ('none' | 'other' | 'own')[]
  /** Which part of the intent does not cover the call. */
  readonly uncovered: readonly ('none' | 'action' | 'arguments' | 'stage' | 'sinks')[]
  readonly stage: readonly (string | null)[]
  readonly chain: readonly number[]
  readonly depth: readonly number[]
  readonly host: readonly string[]
  readonly amount: readonly number[]
  readonly time: readonly string[]
}

/** One value of each domain. */
export type Chosen = { readonly [K in keyof Domains]: Domains[K][number] }

/** Values that a domain is restricted to. */
export type Restriction = { readonly [K in keyof Domains]?: Domains[K] }

/** A Monday at ten, and a Sunday at three in the morning. */
const ORDINARY_TIMES = ['2026-01-05T10:00:00Z', '2026-01-04T03:00:00Z']

/** What is varied where all of `versions` have a say. */
export function domainsOf(versions: readonly PolicySets[]): Domains {
  const policies = versions.flatMap((version) =>
    SET_NAMES.filter((name) => name !== 'administration').flatMap((name) =>
      [...version[name].policies.values()].map(parsedPolicy),
    ),
  )
  const said = constantsOf(policies)
  const looksAt = among(mentionsOf(policies))
  const tools = said.named('Tool').map(nameIn)
  const objects = [...said.named('Resource'), ...said.named('Prompt')].map(nameIn)
  return {
    archetype: unique([...said.named('Archetype'), 'another-kind']),
    person: unique(['somebody', ...said.named('Person')]),
    group: unique([...said.named('Group'), null]),
    method: METHODS,
    server: unique([
      ...said.named('Server'),
      ...['Tool', 'Resource', 'Prompt'].flatMap(said.named).map(serverIn),
      'another-server',
    ]),
    tool: unique([...tools, ...objects, ...said.patterns, 'another_tool']),
    class: CLASSES,
    consequential: [false, true],
    reviewed: [true, false],
    tier: said.attributes.has('tier') ? ['T1', 'T0', 'remote', 'none'] : ['T1'],
    ungrounded: looksAt('ungrounded', 'unseen', 'amountUngrounded') ? [false, true] : [false],
    confidential: looksAt('confidential') ? [false, true] : [false],
    agency: looksAt('agency') ? ['doubt', ...AGENCIES.filter((one) => one !== 'doubt')] : ['doubt'],
    boundBy: looksAt('boundBy') ? ['dpop', 'mtls', 'none'] : ['dpop'],
    approval: looksAt('approval') ? ['none', 'other', 'own'] : ['none'],
    uncovered: ['none', 'action', 'arguments', 'stage', 'sinks'],
    stage: looksAt('stage')
      ? unique([null, ...said.texts.filter((text) => /^[a-z][a-z0-9_-]{0,40}$/.test(text))])
      : [null],
    chain: looksAt('chain') ? around(said.numbers, { least: 1, most: 16 }) : [1],
    depth: around(said.attributes.has('depth') ? said.numbers : [], { least: 0, most: 16 }),
    host: looksAt('hosts', 'sinks')
      ? unique(['another.example', ...said.texts.flatMap(hostIn)])
      : ['another.example'],
    amount: looksAt('amount')
      ? unique([1, ...said.amounts.flatMap((one) => [one, one + 0.01, Math.max(0, one - 0.01)])])
      : [1],
    time: looksAt('now') ? unique([...ORDINARY_TIMES, ...said.times]) : ORDINARY_TIMES.slice(0, 1),
  }
}

/** Where a policy's own scope can match: what to look at first when it is the policy that matters. */
export function scopeOf(policy: Policy): Restriction {
  const { principal, action, resource } = parsedPolicy(policy)
  const methods = actionsOf(action)
    ?.map(({ id }) => (id === 'use' ? undefined : id))
    .filter((id) => id === 'tools/call' || id === 'resources/read' || id === 'prompts/get')
  return {
    ...namedBy(principal),
    ...(methods !== undefined && methods.length > 0 && { method: methods }),
    ...namedBy(resource),
  }
}

/** `domains` with only the values that all restrictions leave; undefined when that is none. */
export function restricted(domains: Domains, by: readonly Restriction[]): Domains | undefined {
  const left: Record<string, readonly unknown[]> = { ...domains }
  for (const restriction of by) {
    for (const [name, values] of Object.entries(restriction) as [string, readonly unknown[]][]) {
      left[name] = (left[name] ?? []).filter((value) => values.includes(value))
    }
  }
  return Object.values(left).every((values) => values.length > 0)
    ? (left as unknown as Domains)
    : undefined
}

const SINKS = [
  { path: 'to', kind: 'email' },
  { path: 'link', kind: 'url' },
  { path: 'amount', kind: 'amount' },
]

/** A call as a test file states it: what is ordinary is left out. */
export function statedCall(chosen: Chosen): StatedCall {
  const { archetype, person, group, method, server, tool, approval, uncovered, chain } = chosen
  const object = `${server}/${tool}`
  const by = approval === 'own' ? `per_${person}` : 'per_another'
  return {
    given: {
      agent: { archetype },
      person: { handle: person, ...(group !== null && { groups: [group] }) },
      ...(chain > 1 && { behind: Array.from({ length: chain - 1 }, () => ({ archetype })) }),
      server: {
        tier: chosen.tier,
        ...(!chosen.reviewed && { state: 'quarantined' as const }),
      },
      reviewed: {
        class: chosen.class,
        ...(chosen.consequential && { consequential: true }),
        ...(method === 'tools/call' && { sinks: SINKS }),
      },
      ...(chosen.boundBy !== 'dpop' && { boundBy: chosen.boundBy }),
      ...(chosen.stage !== null && { stage: chosen.stage }),
      ...(chosen.depth > 0 && { depth: chosen.depth }),
      time: chosen.time,
      ...(chosen.confidential && { confidential: true }),
      // What is left out is `never` for writes.
      ...((chosen.agency !== 'doubt' || chosen.class === 'write') && { agency: chosen.agency }),
      ...(chosen.ungrounded && { ungrounded: SINKS.map(({ path }) => path) }),
      ...(uncovered !== 'none' && { intent: { [uncovered]: false } }),
      ...(approval !== 'none' && { approval: { by, entitled: by } }),
    },
    when: {
      ...(method === 'tools/call' && { tool: object }),
      ...(method === 'resources/read' && { resource: object }),
      ...(method === 'prompts/get' && { prompt: object }),
      // What a resource is reached by is its name.
      ...(method !== 'resources/read' && {
        arguments: {
          to: `someone@${chosen.host}`,
          link: `https://${chosen.host}/a`,
          amount: chosen.amount,
        },
      }),
    },
  }
}

/** Whether there are such calls: only tools have sinks, and a prompt shows text and changes nothing. */
export function isPossible(chosen: Chosen): boolean {
  const { method, ungrounded, consequential } = chosen
  if (method === 'tools/call') return true
  if (ungrounded) return false
  return method === 'resources/read' || (chosen.class === 'read' && !consequential)
}

/** The request of a chosen call. */
export function requestOf(chosen: Chosen): DecisionRequest {
  const { when, given } = statedCall(chosen)
  return readCall(when, given)
}

/** One line for people: who asks for what, and whatever about it is not ordinary. */
export function sentenceOf(chosen: Chosen, domains: Domains): string {
  const { archetype, person, group, method, server, tool } = chosen
  const told = new Set<keyof Chosen>(['archetype', 'person', 'group', 'method', 'server', 'tool'])
  const rest = (Object.entries(chosen) as [keyof Chosen, unknown][])
    .filter(([name, value]) => !told.has(name) && (name === 'class' || value !== domains[name][0]))
    .map(([name, value]) => `${name}: ${String(value)}`)
  const whom = group === null ? person : `${person} (${group})`
  return `${archetype} for ${whom}, ${server} ${method}:${tool}; ${rest.join(', ')}`
}

/** What the policies say by name and number. */
interface Constants {
  /** The ids of entities of a type. */
  readonly named: (type: string) => string[]
  readonly texts: readonly string[]
  /** Texts that a `like` pattern matches. */
  readonly patterns: readonly string[]
  readonly numbers: readonly number[]
  readonly amounts: readonly number[]
  readonly times: readonly string[]
  /** Every attribute that is looked at, of whatever. */
  readonly attributes: ReadonlySet<string>
}

function constantsOf(policies: readonly PolicyJson[]): Constants {
  const entities = new Map<string, Set<string>>()
  const [texts, patterns, numbers] = [new Set<string>(), new Set<string>(), new Set<number>()]
  const [amounts, times] = [new Set<number>(), new Set<string>()]
  const attributes = new Set<string>()
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node !== 'object' || node === null) return
    const { type, id, Value: value, attr, pattern } = node as Record<string, unknown>
    if (typeof type === 'string' && typeof id === 'string') {
      entities.set(type, (entities.get(type) ?? new Set()).add(id))
    }
    if (typeof value === 'string') texts.add(value)
    if (typeof value === 'number') numbers.add(value)
    if (typeof attr === 'string') attributes.add(attr)
    if (Array.isArray(pattern)) patterns.add(matchOf(pattern))
    for (const [operator, operand] of Object.entries(node) as [string, unknown][]) {
      const literal = literalOf(operand)
      if (literal === undefined) visit(operand)
      else if (operator === 'decimal') amounts.add(Number(literal))
      else if (operator === 'datetime') times.add(literal)
      else if (operator === 'duration') for (const one of timesOfDay(literal)) times.add(one)
      else visit(operand)
    }
  }
  visit(policies)
  return {
    named: (type) => [...(entities.get(type) ?? [])],
    texts: [...texts],
    patterns: [...patterns],
    numbers: [...numbers],
    amounts: [...amounts].filter((one) => Number.isFinite(one) && one >= 0),
    times: [...times].flatMap(bothSides),
    attributes,
  }
}

/** The text of `decimal("500.0")` and its like. */
function literalOf(operand: unknown): string | undefined {
  const [only] = Array.isArray(operand) ? (operand as { Value?: unknown }[]) : []
  return typeof only?.Value === 'string' ? only.Value : undefined
}

function matchOf(pattern: readonly unknown[]): string {
  return pattern
    .map((part) => (part === 'Wildcard' ? 'x' : (part as { Literal: string }).Literal))
    .join('')
}

/** A moment and the second before it. */
function bothSides(text: string): string[] {
  const written = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text
  try {
    const instant = Temporal.Instant.from(written)
    return [instant.toString(), instant.subtract({ seconds: 1 }).toString()]
  } catch {
    // Not a moment that a test file could state.
    return []
  }
}

/** A duration as a time of the ordinary day, for `now.toTime()`. */
function timesOfDay(text: string): string[] {
  const [, hours = '0', minutes = '0'] = /^(?:(\d{1,2})h)?(?:(\d{1,2})m)?$/.exec(text) ?? []
  if (Number(hours) > 23 || Number(minutes) > 59) return []
  return [`2026-01-05T${hours.padStart(2, '0')}:${minutes.padStart(2, '0')}:00Z`]
}

function among({ context }: Mentions): (...names: string[]) => boolean {
  return (...names) => context === 'everything' || names.some((name) => context.has(name))
}

function around(
  numbers: readonly number[],
  { least, most }: { readonly least: number; readonly most: number },
): number[] {
  const sides = numbers.flatMap((one) => [one - 1, one, one + 1])
  return unique([least, ...sides.filter((one) => one >= least && one <= most)])
}

function hostIn(text: string): string[] {
  const host = text.slice(text.indexOf('@') + 1).replace(/^https?:\/\/([^/]+).*$/, '$1')
  return /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(host) && !/^[\d.]+$/.test(host) ? [host] : []
}

function namedBy(scope: PolicyJson['principal'] | PolicyJson['resource']): Restriction {
  if (scope.op === 'All') return {}
  const within = scope.op === 'is' ? scope.in : scope
  if (within === undefined) return {}
  const { type, id } = uidOf(within)
  if (type === 'Archetype') return { archetype: [id] }
  if (type === 'Group') return { group: [id] }
  if (type === 'Person') return { person: [id] }
  if (type === 'Server') return { server: [id] }
  if (type === 'ToolClass') return { class: [id as (typeof CLASSES)[number]] }
  const method = { Tool: 'tools/call', Resource: 'resources/read', Prompt: 'prompts/get' } as const
  if (!(type in method)) return {}
  const named = { server: [serverIn(id)], tool: [nameIn(id)] }
  return { ...named, method: [method[type as keyof typeof method]] }
}

/** A server's name holds no slash, so the first one separates. */
function serverIn(uid: string): string {
  return uid.slice(0, Math.max(uid.indexOf('/'), 0))
}

function nameIn(uid: string): string {
  return uid.slice(uid.indexOf('/') + 1)
}

function parsedPolicy({ text }: Policy): PolicyJson {
  const answer = policyToJson(text)
  if (answer.type === 'success') return answer.json
  throw new Error('expected a policy that was compiled to parse')
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}
