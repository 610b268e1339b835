/**
 * Tests of policies, as people write them: `*.test.json` beside the `.cedar` files.
 *
 * A file has a list of `tests`; what they share stands in its `given`, which each test may override member
 * by member. `given` says who and what there is, `when` what is asked, `expect` what must come out. What
 * is left out is the ordinary case: everybody active, the server reviewed, the intent covering the call,
 * every value grounded. `only` asks one set alone, so that a rule's tests hold whatever the other sets permit.
 * Unknown members are refused: a misspelt one would test something else.
 */

import * as z from 'zod'
import type { JsonObject } from '../base/canonical-json.ts'
import type { DecisionRequest } from '../decision/decide.ts'
import type { OperationRequest } from '../decision/decide-operation.ts'
import type { PersonFacts } from '../decision/facts.ts'
import { AGENCIES } from '../delegation/agency.ts'

const name = z.string().min(1).max(200)
const agent = z.strictObject({
  archetype: name,
  id: name.optional(),
  state: z.enum(['active', 'suspended', 'ended']).optional(),
})
const person = z.strictObject({
  handle: name,
  groups: z.array(name).max(50).optional(),
  active: z.boolean().optional(),
})
const toolClass = z.enum(['read', 'write', 'egress', 'destructive', 'money'])

const given = z.strictObject({
  agent: agent.optional(),
  /** Agents that passed the work on, the nearest first. */
  behind: z.array(agent).max(15).optional(),
  person: person.optional(),
  /** Others whose words directed the call. */
  others: z.array(person).max(19).optional(),
  depth: z.int().nonnegative().optional(),
  stage: z.string().nullable().optional(),
  acr: z.string().optional(),
  boundBy: z.enum(['dpop', 'mtls', 'none']).optional(),
  /** RFC 3339. */
  time: z.iso.datetime({ offset: true }).optional(),
  server: z
    .strictObject({
      name: name.optional(),
      state: z.enum(['registered', 'reviewed', 'quarantined', 'withdrawn']).optional(),
      /** Where it runs. */
      tier: z.enum(['T0', 'T1', 'remote', 'none']).optional(),
    })
    .optional(),
  /** What the review says of the tool or resource. */
  reviewed: z
    .strictObject({
      class: toolClass.optional(),
      consequential: z.boolean().optional(),
      sinks: z
        .array(z.strictObject({ path: z.string(), kind: name }))
        .max(50)
        .optional(),
    })
    .optional(),
  /** Which parts of the delegation cover the call; all that are not named do. */
  intent: z
    .strictObject({
      action: z.boolean().optional(),
      arguments: z.boolean().optional(),
      stage: z.boolean().optional(),
      sinks: z.boolean().optional(),
      approver: name.optional(),
    })
    .optional(),
  /** A person's yes to exactly this call. */
  approval: z.strictObject({ by: name, entitled: name }).optional(),
  /** Paths of arguments that stand in nothing trusted. */
  ungrounded: z.array(z.string()).max(50).optional(),
  /** Whether the arguments carry something of a confidential segment. */
  confidential: z.boolean().optional(),
  /** What the owners of the kinds of agents set for calls of this class. */
  agency: z.enum(AGENCIES).optional(),
})

const call = z.strictObject({
  /** `server/tool`, or `server/uri` of a resource. */
  tool: name.optional(),
  resource: name.optional(),
  prompt: name.optional(),
  /** The MCP method; by default the one that uses what is named. */
  method: name.optional(),
  arguments: z.record(z.string(), z.json()).optional(),
})

const operation = z.strictObject({
  operation: name,
  target: z
    .strictObject({
      type: z.enum(['installation', 'agent', 'delegation', 'approval', 'conversation']),
      own: z.boolean().optional(),
      answers: z.boolean().optional(),
      mover: z.boolean().optional(),
      entitled: z.boolean().optional(),
      role: z.enum(['none', 'guest', 'member', 'lead', 'owner']).optional(),
    })
    .optional(),
})

const outcome = z.enum(['permit', 'deny', 'step_up', 'approval_required'])
const expected = z.strictObject({
  outcome,
  constraint: z.enum(['agent', 'person', 'intent', 'guardrail']).optional(),
  reason: name.optional(),
  /** A policy that must be among those that decided. */
  policy: name.optional(),
})

const only = z.enum(['agent', 'person', 'intent', 'guardrail'])

const test = z.strictObject({
  name,
  only: only.optional(),
  given: given.optional(),
  when: z.union([operation, call]),
  expect: z.union([outcome, expected]),
})

/** A file of tests. */
export const testFileSchema = z.strictObject({
  /** For the reader. */
  about: z.string().optional(),
  only: only.optional(),
  given: given.optional(),
  tests: z.array(test).min(1).max(1_000),
})

/** What one test expects. */
export type Expected = z.infer<typeof expected>
type Test = z.infer<typeof test>
type Given = z.infer<typeof given>

/** A call as a test states it. */
export interface StatedCall {
  readonly given: Given
  readonly when: z.infer<typeof call>
}

/** An operation as a test states it. */
export interface StatedOperation {
  readonly given: Given
  readonly when: z.infer<typeof operation>
}

/** A test, read: what to ask, and what must come out. */
export type PolicyTest = { readonly name: string; readonly expect: Expected } & (
  | {
      readonly kind: 'call'
      readonly request: DecisionRequest
      /** The set that is asked alone. */
      readonly only?: z.infer<typeof only>
    }
  | { readonly kind: 'operation'; readonly request: OperationRequest }
)

/** The tests of a file; throws a `ZodError` or a `SyntaxError` if it is none. */
export function parseTests(text: string): PolicyTest[] {
  const file = testFileSchema.parse(JSON.parse(text))
  return file.tests.map((one) => read({ only: file.only, ...one }, { ...file.given, ...one.given }))
}

function read(one: Test, facts: Given): PolicyTest {
  const expect = typeof one.expect === 'string' ? { outcome: one.expect } : one.expect
  const { name: called } = one
  if ('operation' in one.when) {
    return { kind: 'operation', name: called, expect, request: readOperation(one.when, facts) }
  }
  const request = readCall(one.when, facts)
  return {
    kind: 'call',
    name: called,
    expect,
    request,
    ...(one.only !== undefined && { only: one.only }),
  }
}

/** 2026-01-05, a Monday, at ten in the morning UTC. */
const ORDINARY_TIME = '2026-01-05T10:00:00Z'

/** A call as a test states it. */
export function readCall(when: z.infer<typeof call>, facts: Given): DecisionRequest {
  const { agent: acting = { archetype: 'agent' }, behind = [], reviewed = {}, server = {} } = facts
  const { person: delegating = { handle: 'alice' }, others = [] } = facts
  const object = objectOf(when, server.name)
  const args = (when.arguments ?? {}) as JsonObject
  const { approver, ...covered } = facts.intent ?? {}
  const ungrounded = new Set(facts.ungrounded)
  return {
    agents: [acting, ...behind].map(({ archetype, id, state = 'active' }, i) => ({
      id: `agt_${id ?? i + 1}`,
      archetype,
      state,
    })),
    people: [delegating, ...others].map(personOf),
    delegation: { id: 'dlg_test', depth: facts.depth ?? 0 },
    action: when.method ?? object.method,
    resource: {
      type: object.type,
      server: `srv_${object.server}`,
      serverName: object.server,
      serverState: server.state ?? 'reviewed',
      tier: server.tier ?? 'T1',
      ...(object.name !== undefined && { name: object.name }),
      class: reviewed.class ?? 'read',
      consequential: reviewed.consequential ?? false,
      sinks: (reviewed.sinks ?? []) as DecisionRequest['resource']['sinks'],
    },
    context: {
      stage: facts.stage ?? null,
      acr: facts.acr ?? 'session',
      boundBy: facts.boundBy ?? 'dpop',
      time: secondsOf(facts),
      arguments: args,
      provenance: pathsOf(args).map((path) => ({
        path,
        grounded: !ungrounded.has(path),
        from: ungrounded.has(path) ? [] : ['purpose'],
      })),
      intent: {
        action: true,
        arguments: true,
        stage: true,
        sinks: true,
        ...present(covered),
        ...(approver !== undefined && { approval: { by: approver as `per_${string}` } }),
      },
      ...(facts.agency !== undefined && { agency: facts.agency }),
      ...(facts.confidential !== undefined && { confidential: facts.confidential }),
      ...(facts.approval !== undefined && {
        approval: {
          id: 'apr_test' as const,
          by: facts.approval.by as `per_${string}`,
          entitled: facts.approval.entitled as `grp_${string}`,
        },
      }),
    },
  }
}

function objectOf(
  when: z.infer<typeof call>,
  fallback = 'server',
): {
  type: DecisionRequest['resource']['type']
  server: string
  name?: string
  method: string
} {
  if (when.tool !== undefined) return { type: 'tool', method: 'tools/call', ...split(when.tool) }
  if (when.resource !== undefined)
    return { type: 'resource', method: 'resources/read', ...split(when.resource) }
  if (when.prompt !== undefined)
    return { type: 'prompt', method: 'prompts/get', ...split(when.prompt) }
  return { type: 'server', method: 'tools/list', server: fallback }
}

/** A server's name holds no slash, so the first one separates. */
function split(text: string): { server: string; name: string } {
  const at = text.indexOf('/')
  return { server: text.slice(0, Math.max(at, 0)), name: text.slice(at + 1) }
}

/** An operation as a test states it. */
export function readOperation(when: StatedOperation['when'], facts: Given): OperationRequest {
  const {
    type,
    own = false,
    answers = false,
    mover = false,
    entitled = false,
    role = 'none',
  } = when.target ?? { type: 'installation' }
  const target: OperationRequest['target'] =
    type === 'installation'
      ? { type }
      : type === 'approval'
        ? { type, id: 'apr_test', entitled }
        : type === 'agent'
          ? { type, id: 'agt_test', own }
          : type === 'conversation'
            ? { type, id: 'cnv_test', role }
            : { type, id: 'dlg_test', own, answers, mover }
  return {
    person: personOf(facts.person ?? { handle: 'alice' }),
    acr: facts.acr ?? 'session',
    operation: when.operation,
    target,
    time: secondsOf(facts),
  }
}

function personOf({ handle, groups = [], active = true }: z.infer<typeof person>): PersonFacts {
  return {
    id: `per_${handle}`,
    handle,
    active,
    groups: groups.map((group) => ({ id: `grp_${group}` as const, name: group })),
  }
}

function secondsOf({ time = ORDINARY_TIME }: Given): number {
  return Temporal.Instant.from(time).epochMilliseconds / 1_000
}

/** The paths of all leaves, as provenance names them: dotted, `[]` for list elements. */
function pathsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) {
    return [...new Set(value.flatMap((element) => pathsOf(element, `${path}[]`)))]
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, member]) =>
      pathsOf(member, path === '' ? key : `${path}.${key}`),
    )
  }
  return path === '' ? [] : [path]
}

/** Without members that are undefined. */
function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
