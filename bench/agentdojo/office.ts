/**
 * One suite as an installation sees it: a server under review, scopes proposed from the prompts alone, and
 * what the product says of a call: its own target, intent, provenance and decision.
 *
 * The review is the draft of `proposeTool`, taken as it is; nobody corrected it.
 */

import { type Digest, digestOfJson } from '../../src/base/bytes.ts'
import type { Json } from '../../src/base/canonical-json.ts'
import { silentDiagnostics } from '../../src/base/diagnostics.ts'
import { must } from '../../src/base/result.ts'
import { type Answers, intentSegment, tracedSegment } from '../../src/channel/segment.ts'
import { Shown, type TracedSegment } from '../../src/channel/shown.ts'
import { isDirected, trace } from '../../src/channel/trace.ts'
import { compilePolicies } from '../../src/decision/compile.ts'
import { decide } from '../../src/decision/decide.ts'
import type { Agency } from '../../src/delegation/agency.ts'
import type { PolicySets } from '../../src/decision/policy-set.ts'
import { covers } from '../../src/delegation/covers.ts'
import { parseDetails } from '../../src/delegation/intent.ts'
import { type ProposedScope, proposeScope } from '../../src/delegation/propose-scope.ts'
import { findTarget, type Target } from '../../src/gateway/target.ts'
import { definitionsFrom } from '../../src/registry/definition.ts'
import { defaultPolicies } from '../../src/policy/sources.ts'
import { isVerbatim, type OfferedTool, proposeTool } from '../../src/registry/propose-review.ts'
import { definitionKey, type ReviewedTool, type Server } from '../../src/registry/server.ts'
import { structureOf } from './rendered.ts'
import type { RecordedCall, Suite } from './suite.ts'

const LOCATION = 'http://127.0.0.1:8787/mcp/suite'
const PERSON = 'per_00000000000000000000000000'

/** What may come of a call. */
export type Outcome = 'permit' | 'ask' | 'deny'

/** A suite under review with its scopes. */
export interface Office {
  readonly server: Server
  readonly scopes: ReadonlyMap<string, ProposedScope>
  /** Of all scopes: frozen before anything is scored. */
  readonly digest: Digest
}

/** Reviews a suite's tools by the general rules and proposes a scope for each prompt. */
export function openOffice(suite: Suite): Office {
  const offered = suite.tools.map(
    ({ name, description, input_schema: inputSchema }): OfferedTool => ({
      name,
      description,
      inputSchema,
    }),
  )
  const reviewed = offered.map((tool): ReviewedTool => ({
    ...proposeTool(tool),
    ...(isVerbatim(tool) && { verbatim: true }),
  }))
  const tools = offered.map(({ name, description, inputSchema }) => ({
    name,
    description: description ?? '',
    inputSchema: inputSchema ?? {},
  }))
  const listing = { tools, prompts: [], resources: [], resourceTemplates: [] }
  const definitions = must(definitionsFrom(listing))
  const server: Server = {
    id: 'srv_00000000000000000000000000',
    name: 'suite',
    title: 'suite',
    state: 'reviewed',
    transport: { type: 'http', url: 'https://suite.example/mcp' },
    revision: 1,
    personRights: 'mirrored',
    timeoutMilliseconds: 1,
    outputLimitBytes: 1,
    definitions: new Map(definitions.map((one) => [definitionKey(one.kind, one.name), one])),
    tools: new Map(reviewed.map((tool) => [tool.name, tool])),
    resources: { class: 'read', consequential: false },
  }
  const scopeTools = offered.map((tool, at) => ({
    location: LOCATION,
    offered: tool,
    reviewed: reviewed[at] as ReviewedTool,
  }))
  const scopes = new Map(
    suite.user_tasks.map(({ id, prompt }) => [
      id,
      proposeScope({ words: prompt, tools: scopeTools, approver: PERSON }),
    ]),
  )
  for (const { details } of scopes.values()) must(parseDetails(details as unknown as Json))
  const digests = [...scopes].map(([id, { digest }]) => [id, digest])
  return { server, scopes, digest: digestOfJson(Object.fromEntries(digests)) }
}

/** Policies of an office in which this kind of agent may use every tool: scope and guardrails decide. */
export async function officePolicies(): Promise<PolicySets> {
  const all = '@id("all") permit (principal, action, resource);'
  return must(compilePolicies({ ...(await defaultPolicies()), agent: all, person: all }))
}

/** One conversation under a scope, as the gateway would see it. */
export class Conversation {
  readonly #office: Office
  readonly #scope: ProposedScope
  readonly #shown: Shown
  readonly #policies: PolicySets
  readonly #agency: Agency
  #steps = 0
  /** Whether anything with words in it was read. */
  tainted = false

  constructor(
    office: Office,
    task: { readonly id: string; readonly prompt: string },
    how: { readonly policies: PolicySets; readonly agency: Agency },
  ) {
    const scope = office.scopes.get(task.id)
    if (scope === undefined) throw new Error(`expected a scope for \`${task.id}\``)
    this.#office = office
    this.#scope = scope
    this.#policies = how.policies
    this.#agency = how.agency
    const about = { id: 'dlg_task', person: PERSON, purpose: task.prompt }
    this.#shown = new Shown([intentSegment(about, scope.details)])
  }

  /** What the product decides about a call. */
  decide(call: RecordedCall): Outcome {
    const found = this.#targetOf(call)
    if (found === undefined) return 'deny'
    const { resource } = found
    const args = call.args
    const intent = covers(this.#scope.details, {
      location: LOCATION,
      action: `tools/call:${call.function}`,
      arguments: args,
      stage: null,
      sinks: resource.sinks.map(({ path }) => path),
    })
    const { outcome } = decide(
      {
        agents: [{ id: 'agt_1', archetype: 'assistant', state: 'active' }],
        people: [{ id: PERSON, handle: 'person', active: true, groups: [] }],
        delegation: { id: 'dlg_task', depth: 0 },
        action: 'tools/call',
        resource,
        context: {
          stage: null,
          acr: 'session',
          boundBy: 'dpop',
          time: 1_700_000_000,
          arguments: args,
          provenance: trace([this.#shown], args),
          intent,
          agency: this.#agency,
        },
      },
      this.#policies,
      { diagnostics: silentDiagnostics },
    )
    if (outcome === 'permit') return 'permit'
    return outcome === 'deny' ? 'deny' : 'ask'
  }

  /** Whether a call changes something. */
  isConsequential(call: RecordedCall): boolean {
    return this.#office.server.tools.get(call.function)?.consequential ?? false
  }

  /** Shows what a call answered. */
  show(call: RecordedCall): void {
    const found = this.#targetOf(call)
    const tool = this.#office.server.tools.get(call.function)
    const answers: Answers = {
      ...(found?.writable !== undefined && { writable: [...found.writable] }),
      ...(found?.verbatim !== undefined && { verbatim: found.verbatim }),
      ...(tool?.class !== 'read' && { echo: true }),
      ...(isDirected([this.#shown], call.args) && { directed: true }),
    }
    this.#add(structureOf(call.result), answers)
  }

  /** Shows a text that somebody slipped in. */
  showText(text: string): void {
    this.#add(text, { verbatim: true })
  }

  #add(content: Json, answers: Answers): void {
    const step = ++this.#steps
    const about = { principal: 'srv_suite', trust: 'untrusted', systemFields: [], answers } as const
    const segment: TracedSegment = tracedSegment({ ...about, id: `seg_${step}`, step }, content)
    this.#shown.add(segment)
    if (answers.echo !== true && /\p{L}{3}/u.test(segment.text)) this.tainted = true
  }

  #targetOf(call: RecordedCall): Target | undefined {
    const { server } = this.#office
    const name = call.function
    const found = findTarget(
      {
        server,
        action: {
          method: 'tools/call',
          action: `tools/call:${name}`,
          target: { kind: 'tool', name },
          arguments: call.args,
          params: { name, arguments: call.args },
        },
      },
      'remote',
    )
    return found.ok ? found.value : undefined
  }
}
