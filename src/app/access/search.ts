/**
 * Which subjects, resources or actions would be answered yes: AuthZEN Authorization API 1.0 §8.
 *
 * Call `search`. It asks, for each candidate in turn, the question that `/access/v1/evaluation` would be
 * asked, so a result put there comes out true as long as nothing changes; who may not ask about a
 * candidate does not learn of it. Candidates are what exists: reviewed definitions, people, methods and
 * operations. `context.arguments`, where they are given, are those of every candidate.
 *
 * A page is `MOST_ASKED` candidates, however many of them are answered yes. Its token names the place to
 * go on from and the search that it belongs to; it carries no authority.
 */

import * as z from 'zod'
import { digestOfJson } from '../../base/bytes.ts'
import type { Json, JsonObject } from '../../base/canonical-json.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import { actionGroup, METHOD_NAMES, OPERATION_NAMES } from '../../decision/schema.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import { agentsOf, loadTree } from '../../delegation/standing.ts'
import { listPeople } from '../../people/people-store.ts'
import type { Installation } from '../installation.ts'
import { evaluate, type Asker, type Evaluation } from './evaluate.ts'
import { invalidQuestion, questionSchema, type Question } from './question.ts'
import { recordAnswers } from './record.ts'

/** What is looked for. */
export type Wanted = 'subject' | 'resource' | 'action'

/** How many candidates are asked about at once. */
const MOST_ASKED = 50

const text = z.string().min(1).max(2_048)
const members = questionSchema.shape
/** What stands for the member that is looked for: a type, or nothing (§8.4 to §8.6). */
const SCHEMAS = {
  subject: questionSchema.extend({ subject: z.looseObject({ type: text }) }),
  resource: questionSchema.extend({ resource: z.looseObject({ type: text }) }),
  action: z.looseObject({
    subject: members.subject,
    resource: members.resource,
    context: members.context,
  }),
} as const

const pageSchema = z.looseObject({
  token: z.string().max(2_048).optional(),
  limit: z.int().min(1).optional(),
})

/** Answers a search. */
export async function search(
  wanted: Wanted,
  body: Readonly<Record<string, unknown>>,
  asker: Asker,
  env: Installation,
): Promise<Result<Readonly<Record<string, unknown>>>> {
  const asked = SCHEMAS[wanted].safeParse(body)
  if (!asked.success) return refuse(invalidQuestion(asked.error.issues[0]))
  const page = pageSchema.safeParse(body['page'] ?? {})
  if (!page.success) return refuse(invalidQuestion(page.error.issues[0]))
  const { page: _page, ...searched } = body
  const of = digestOfJson(searched as JsonObject)
  const after = placeOf(page.data.token, of)
  if (!after.ok) return after
  const template = asked.data as Readonly<Record<string, Json>>
  const left = (await candidates(wanted, template, asker, env))
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    .filter((one) => after.value === '' || keyOf(one) > after.value)
  const { limit = MOST_ASKED } = page.data
  const now = left.slice(0, Math.min(limit, MOST_ASKED))
  const results: Candidate[] = []
  const answers: { question: Question; evaluation: Evaluation }[] = []
  for (const candidate of now) {
    const question = questionSchema.parse({ ...template, [wanted]: candidate })
    const evaluation = await evaluate(question, asker, env)
    if (!evaluation.decision) continue
    results.push(candidate)
    answers.push({ question, evaluation })
  }
  await recordAnswers(answers, asker, env)
  const last = now.at(-1)
  const more = last !== undefined && left.length > now.length
  return ok({ results, page: { next_token: more ? tokenFor(keyOf(last), of) : '' } })
}

/** What might be answered yes, in the form in which it is a result. */
type Candidate = { readonly type: string; readonly id: string } | { readonly name: string }

/** Everything that might be answered yes. */
async function candidates(
  wanted: Wanted,
  template: Readonly<Record<string, Json>>,
  asker: Asker,
  env: Installation,
): Promise<Candidate[]> {
  if (wanted === 'action') return actions(typeOf(template['resource'])).map((name) => ({ name }))
  const type = typeOf(template[wanted])
  if (wanted === 'resource') {
    return (await resources(type, env)).map((id) => ({ type, id }))
  }
  return (await subjects(type, template['context'], asker, env)).map((id) => ({ type, id }))
}

const ASKED_OF: Readonly<Record<string, string>> = {
  tool: 'Tool',
  resource: 'Resource',
  prompt: 'Prompt',
  installation: 'Installation',
}

function actions(resourceType: string): readonly string[] {
  const asked = ASKED_OF[resourceType]
  if (asked === undefined) return []
  const names = asked === 'Installation' ? OPERATION_NAMES : METHOD_NAMES
  return names.filter((name) => actionGroup(name, asked) !== undefined)
}

/** Definitions that a reviewer accepted. A template is no resource: what fills it cannot be listed. */
async function resources(type: string, env: Installation): Promise<readonly string[]> {
  if (type === 'installation') return ['behalf']
  if (type !== 'tool' && type !== 'resource' && type !== 'prompt') return []
  return (await env.servers.all()).flatMap(({ server }) =>
    [...server.definitions.values()]
      .filter(({ kind }) => kind === type)
      .map(({ name }) => `${server.name}/${name}`),
  )
}

/** People for operations; for calls the agent of the delegation, which is the only one that can act. */
async function subjects(
  type: string,
  context: Json | undefined,
  asker: Asker,
  env: Installation,
): Promise<readonly string[]> {
  if (type === 'person' || type === 'user') {
    const people = await env.store.snapshot(listPeople)
    return people.filter(({ active }) => active).map(({ handle }) => handle)
  }
  if (type !== 'agent') return []
  if (asker.type === 'agent') return asker.caller.agents.slice(0, 1)
  const { delegation } = (context ?? {}) as { readonly delegation?: Json }
  if (typeof delegation !== 'string') return []
  const tree = await env.store.snapshot((tx) => loadTree(tx, delegation as DelegationId))
  return (tree && agentsOf(tree)?.slice(0, 1)) ?? []
}

function typeOf(member: Json | undefined): string {
  const { type } = (member ?? {}) as { readonly type?: Json }
  return typeof type === 'string' ? type : ''
}

function keyOf(candidate: Candidate): string {
  return 'id' in candidate ? candidate.id : candidate.name
}

function tokenFor(after: string, of: string): string {
  return Buffer.from(JSON.stringify([of, after])).toString('base64url')
}

/** Where a page begins. A token of another search is refused: its pages would not fit together (§8.2). */
function placeOf(token: string | undefined, of: string): Result<string> {
  if (token === undefined || token === '') return ok('')
  const wrong = refuse({
    reason: 'invalid_request',
    message: '`page.token`: expected one of this search',
  })
  try {
    const read = tokenSchema.safeParse(JSON.parse(Buffer.from(token, 'base64url').toString('utf8')))
    return read.success && read.data[0] === of ? ok(read.data[1]) : wrong
  } catch {
    return wrong
  }
}

const tokenSchema = z.tuple([z.string(), z.string()])
