/**
 * Every method of MCP as an action: who answers it, and what it acts on.
 *
 * `actionOf` turns a client's request into what a decision is about. The table is closed: a method
 * that does not stand in it is not found, and one whose row says `refused` is known and not served.
 * Server-to-client requests (sampling, elicitation, roots) stand in it too, so that none travels by
 * being forgotten.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { MODERN, LEGACY, type Era } from './era.ts'
import { isObject } from './message.ts'

/** What becomes of a method. */
export type Handling =
  /** Answered from here: handshakes and pings, nothing of a server's is touched. */
  | 'answered'
  /** Answered from the pinned definitions, filtered by what the caller may use. */
  | 'listed'
  /** Decided, recorded, then sent to the server. */
  | 'upstream'
  /** A notification that is taken and needs no answer. */
  | 'accepted'
  /** Known, and not served: it would need a decision nobody has written yet. */
  | 'refused'

/** One method's row. */
export interface MethodFacts {
  readonly method: string
  readonly handling: Handling
  /** The eras that have the method. */
  readonly eras: readonly Era[]
  /** Who sends it. */
  readonly from: 'client' | 'server' | 'either'
}

const BOTH = [MODERN, LEGACY]

const METHODS: ReadonlyMap<string, MethodFacts> = new Map(
  (
    [
      ['initialize', 'answered', [LEGACY], 'client'],
      ['server/discover', 'answered', [MODERN], 'client'],
      ['ping', 'answered', [LEGACY], 'either'],
      ['tools/list', 'listed', BOTH, 'client'],
      ['prompts/list', 'listed', BOTH, 'client'],
      ['resources/list', 'listed', BOTH, 'client'],
      ['resources/templates/list', 'listed', BOTH, 'client'],
      ['tools/call', 'upstream', BOTH, 'client'],
      ['prompts/get', 'upstream', BOTH, 'client'],
      ['resources/read', 'upstream', BOTH, 'client'],
      ['completion/complete', 'upstream', BOTH, 'client'],
      ['resources/subscribe', 'refused', [LEGACY], 'client'],
      ['resources/unsubscribe', 'refused', [LEGACY], 'client'],
      ['subscriptions/listen', 'refused', [MODERN], 'client'],
      ['logging/setLevel', 'refused', [LEGACY], 'client'],
      ['tasks/get', 'refused', BOTH, 'either'],
      ['tasks/update', 'refused', [MODERN], 'client'],
      ['tasks/result', 'refused', [LEGACY], 'either'],
      ['tasks/list', 'refused', [LEGACY], 'either'],
      ['tasks/cancel', 'refused', BOTH, 'either'],
      ['sampling/createMessage', 'refused', BOTH, 'server'],
      ['elicitation/create', 'refused', BOTH, 'server'],
      ['roots/list', 'refused', BOTH, 'server'],
      ['notifications/initialized', 'accepted', [LEGACY], 'client'],
      ['notifications/cancelled', 'accepted', BOTH, 'either'],
      ['notifications/progress', 'accepted', BOTH, 'either'],
      ['notifications/roots/list_changed', 'accepted', [LEGACY], 'client'],
      ['notifications/tasks/status', 'accepted', [LEGACY], 'either'],
      ['notifications/message', 'accepted', BOTH, 'server'],
      ['notifications/resources/updated', 'accepted', BOTH, 'server'],
      ['notifications/resources/list_changed', 'accepted', BOTH, 'server'],
      ['notifications/tools/list_changed', 'accepted', BOTH, 'server'],
      ['notifications/prompts/list_changed', 'accepted', BOTH, 'server'],
      ['notifications/elicitation/complete', 'accepted', [LEGACY], 'server'],
      ['notifications/subscriptions/acknowledged', 'accepted', [MODERN], 'server'],
    ] as const
  ).map(([method, handling, eras, from]) => [method, { method, handling, eras, from }]),
)

/** The row of a method that `sender` may send in `era`; undefined when there is none. */
export function classify(
  method: string,
  era: Era,
  sender: 'client' | 'server' = 'client',
): MethodFacts | undefined {
  const facts = METHODS.get(method)
  if (facts === undefined || !facts.eras.includes(era)) return undefined
  return facts.from === sender || facts.from === 'either' ? facts : undefined
}

/** Whether a server's notification says that what it offers may have changed. */
export function announcesChange(method: string): boolean {
  return method.startsWith('notifications/') && method.endsWith('/list_changed')
}

/** What a request that goes upstream acts on. */
export interface Action {
  readonly method: 'tools/call' | 'prompts/get' | 'resources/read' | 'completion/complete'
  /** As intent and policy name it: `tools/call:read_text_file`, `prompts/get:<name>`, `resources/read`. */
  readonly action: string
  /** The definition it uses: a tool's or prompt's name, a resource's URI or template. */
  readonly target: { readonly kind: 'tool' | 'prompt' | 'resource'; readonly name: string }
  /** What predicates and sinks look into. For `resources/read` it holds `uri`. */
  readonly arguments: JsonObject
  /** The parameters to send on, made from the members that were decided and nothing else. */
  readonly params: JsonObject
  /** What an earlier answer asked to be sent back (2026-07-28, "Multi round-trip requests"). */
  readonly requestState?: string
}

/** Parameters that do not fit their method. */
export interface ActionRefusal {
  readonly reason: 'params_invalid' | 'method_not_found'
  readonly message: string
}

/** The action of a request whose row says `upstream`. */
export function actionOf(method: string, params: JsonObject): Result<Action, ActionRefusal> {
  switch (method) {
    case 'tools/call':
      return called(params)
    case 'prompts/get':
      return got(params)
    case 'resources/read':
      return read(params)
    case 'completion/complete':
      return completed(params)
    default:
      return refuse({ reason: 'method_not_found', message: 'expected a method that goes upstream' })
  }
}

function called(params: JsonObject): Result<Action, ActionRefusal> {
  const { name, arguments: args = {} } = params
  if (!isName(name)) return invalid('expected `name` to have 1 to 256 characters')
  if (!isObject(args)) return invalid('expected `arguments` to be an object')
  // A task outlives its call, and with it the decision: not offered (2025-11-25 Tasks, experimental).
  if (params['task'] !== undefined) return invalid('expected no `task`')
  return again(params, {
    method: 'tools/call',
    action: `tools/call:${name}`,
    target: { kind: 'tool', name },
    arguments: args,
    params: { name, arguments: args },
  })
}

function got(params: JsonObject): Result<Action, ActionRefusal> {
  const { name, arguments: args = {} } = params
  if (!isName(name)) return invalid('expected `name` to have 1 to 256 characters')
  if (!isObject(args) || !Object.values(args).every((value) => typeof value === 'string')) {
    return invalid('expected `arguments` to be an object of strings')
  }
  return again(params, {
    method: 'prompts/get',
    action: `prompts/get:${name}`,
    target: { kind: 'prompt', name },
    arguments: args,
    params: { name, arguments: args },
  })
}

function read(params: JsonObject): Result<Action, ActionRefusal> {
  const { uri } = params
  if (typeof uri !== 'string' || uri.length === 0 || uri.length > 4_096) {
    return invalid('expected `uri` to have 1 to 4096 characters')
  }
  return again(params, {
    method: 'resources/read',
    action: 'resources/read',
    target: { kind: 'resource', name: uri },
    arguments: { uri },
    params: { uri },
  })
}

function completed(params: JsonObject): Result<Action, ActionRefusal> {
  const { ref, argument, context } = params
  if (!isObject(ref) || !isObject(argument)) return invalid('expected `ref` and `argument`')
  const prompt = ref['type'] === 'ref/prompt'
  const name = prompt ? ref['name'] : ref['uri']
  if (!isName(name) || (!prompt && ref['type'] !== 'ref/resource')) {
    return invalid('expected `ref` to name a prompt or a resource template')
  }
  const known = isObject(context) ? context['arguments'] : undefined
  const typed = { name: argument['name'], value: argument['value'] }
  if (typeof typed.name !== 'string' || typeof typed.value !== 'string') {
    return invalid('expected `argument` to have a name and a value')
  }
  if (known !== undefined && !isObject(known)) return invalid('expected `context.arguments`')
  return ok({
    method: 'completion/complete',
    action: `completion/complete:${name}`,
    target: { kind: prompt ? 'prompt' : 'resource', name },
    arguments: { argument: typed, ...(known === undefined ? {} : { context: known }) },
    params: {
      ref: prompt ? { type: 'ref/prompt', name } : { type: 'ref/resource', uri: name },
      argument: typed,
      ...(known === undefined ? {} : { context: { arguments: known } }),
    },
  })
}

/** Adds what a multi round-trip retry brings back. */
function again(params: JsonObject, action: Action): Result<Action, ActionRefusal> {
  const { requestState, inputResponses } = params
  // Answers to a server's questions are content from a person: no decision reads them yet.
  if (inputResponses !== undefined) return invalid('expected no `inputResponses`')
  if (requestState === undefined) return ok(action)
  if (typeof requestState !== 'string' || requestState.length > 4_096) {
    return invalid('expected `requestState` to be a string of at most 4096 characters')
  }
  return ok({ ...action, requestState })
}

function isName(value: Json | undefined): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 256
}

function invalid(message: string): Result<never, ActionRefusal> {
  return refuse({ reason: 'params_invalid', message })
}
