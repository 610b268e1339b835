/**
 * From a person's words to what they are shown: by a template whose sentence the words are, else by the rules, else,
 * where those found nothing or left something open, by a model that chooses among the templates.
 *
 * What a model chose with a value that the person did not write is told beside the rules' own proposal and
 * never in it. The person says the value, and asks again.
 */

import type { Output, Parsed } from '../../api/operations.ts'
import type { Digest } from '../../base/bytes.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { AskedModel } from '../../delegation/asked-model.ts'
import type { Approver } from '../../delegation/covers.ts'
import { inPlainWords } from '../../delegation/detail-in-words.ts'
import { type McpCallDetail, parseDetails } from '../../delegation/intent.ts'
import { templatesOf } from '../../delegation/keep-template.ts'
import { type ModelProposal, proposedBy } from '../../delegation/propose-by-model.ts'
import { type ProposedScope, proposeScope, type ScopeTool } from '../../delegation/propose-scope.ts'
import { type Proposal, signProposal } from '../../delegation/signed-proposal.ts'
import { digestOfTemplate, fillTemplate, type ScopeTemplate } from '../../delegation/template.ts'
import type { PersonId } from '../../people/person.ts'
import type { Session } from '../../people/session.ts'
import { offeredTools } from '../../registry/propose-review.ts'
import { reviewedServers } from '../../registry/server-store.ts'
import { serverResource } from '../../token/resource.ts'
import type { Installation } from '../installation.ts'
import { findParty, resolveAll, withIdentifiers } from './shared.ts'

type Input = Parsed<'proposeScope'>
type Shown = Output<'proposeScope'>

const BY_WORDS = { by: 'words' } as const

/** What is asked, by whom, with all that a proposal may be made from. */
interface Asked {
  readonly person: PersonId
  readonly words: string
  readonly archetype?: string
  readonly tools: readonly ScopeTool[]
  readonly approver: Approver
  readonly templates: readonly ScopeTemplate[]
  /** The person's own values for parameters. */
  readonly said: ReadonlyMap<string, string>
}

/** What a person is shown for their words. */
export async function proposeScopeFor(
  input: Input,
  session: Session,
  env: Installation,
): Promise<Result<Shown>> {
  const known = await askedBy(input, session, env)
  if (!known.ok) return known
  const asked = known.value
  const meant = meantBy(asked)
  if (meant !== undefined) {
    const details = await located(meant.details, env)
    if (!details.ok) return details
    const scope = proposeScope({ ...asked, template: details.value })
    return answered({ scope, way: { by: 'template', template: meant.template } }, asked, env)
  }
  const byRules = proposeScope(asked)
  const model = input.rulesOnly === true || !byRules.isOpen ? undefined : env.scopeModel
  if (model === undefined || asked.templates.length === 0)
    return answered({ scope: byRules, way: BY_WORDS }, asked, env)
  return await byModel(model, byRules, asked, env)
}

async function askedBy(
  { words, servers, archetype, approver, values = {} }: Input,
  { person }: Session,
  env: Installation,
): Promise<Result<Asked>> {
  const parties = await resolveAll([approver ?? person], env, findParty, 'unknown_party')
  if (!parties.ok) return parties
  const tools = await toolsOf(servers, env)
  if (!tools.ok) return tools
  return ok({
    person,
    words,
    tools: tools.value,
    approver: parties.value[0] ?? person,
    said: new Map(Object.entries(values)),
    templates:
      archetype === undefined ? [] : await env.store.snapshot((tx) => templatesOf(tx, archetype)),
    ...(archetype !== undefined && { archetype }),
  })
}

async function toolsOf(
  servers: readonly string[],
  env: Installation,
): Promise<Result<ScopeTool[]>> {
  const reviewed = await env.store.snapshot((tx) => reviewedServers(tx, env))
  const missing = servers.find(
    (name) => !reviewed.some((server) => server.name === name || server.id === name),
  )
  if (missing !== undefined)
    return refuse({ reason: 'unknown_server', message: `no reviewed server \`${missing}\`` })
  return ok(
    reviewed
      .filter(({ name, id }) => servers.includes(name) || servers.includes(id))
      .flatMap((server) =>
        offeredTools(server).flatMap((offered): ScopeTool[] => {
          const tool = server.tools.get(offered.name)
          const location = serverResource(env.issuer, server.name)
          return tool === undefined ? [] : [{ location, offered, reviewed: tool }]
        }),
      ),
  )
}

type Filled = Pick<ModelProposal, 'template' | 'details'>

/** The template whose sentence the words are. */
function meantBy({ templates, words }: Asked): Filled | undefined {
  for (const template of templates) {
    const details = fillTemplate(template, words)
    if (details !== undefined)
      return { template: { name: template.name, digest: digestOfTemplate(template) }, details }
  }
  return undefined
}

/** The model's proposal where the person said all of it; else the rules' own, with what it suggests beside it. */
async function byModel(
  model: AskedModel,
  byRules: ProposedScope,
  asked: Asked,
  env: Installation,
): Promise<Result<Shown>> {
  const { name } = model
  const rules = { scope: byRules, way: BY_WORDS }
  const chosen = await chosenBy(model, asked, env)
  if (!chosen.ok) {
    const { reason, message = reason } = chosen.error
    return answered({ ...rules, more: { model: { name, why: message } } }, asked, env)
  }
  const { template, prompt, details, values } = chosen.value
  if (values.every(({ isSaid }) => isSaid)) {
    const scope = proposeScope({ ...asked, template: details })
    const said = Object.fromEntries(asked.said)
    const way = { by: 'model' as const, model: name, template, prompt, said }
    return answered({ scope, way, more: { model: { name } } }, asked, env)
  }
  const why = 'expected you to say each value that is not in your words'
  const suggested = {
    template: template.name,
    sentences: details.map(inPlainWords),
    values: values.map(({ isSaid, ...one }) => ({ ...one, said: isSaid })),
  }
  const more = { model: { name, why }, suggested }
  return answered({ ...rules, more }, { ...asked, said: new Map() }, env)
}

/** What the model's choice comes to, where the person said it or not. */
async function chosenBy(
  model: AskedModel,
  asked: Asked,
  env: Installation,
): Promise<Result<ModelProposal & { readonly prompt: Digest }>> {
  const answer = await model.choose(asked, asked.person)
  if (!answer.ok) return answer
  const { choice, prompt } = answer.value
  if (choice.template === undefined)
    return refuse({ reason: 'nothing_proposed', message: 'it found no template that says this' })
  const { template } = choice
  const proposed = proposedBy({ ...choice, template }, asked.said, asked)
  if (!proposed.ok) return proposed
  const details = await located(proposed.value.details, env)
  return details.ok ? ok({ ...proposed.value, details: details.value, prompt }) : details
}

/** Details of a template, with the identifiers of the servers and people that it names. */
async function located(
  details: readonly McpCallDetail[],
  env: Installation,
): Promise<Result<readonly McpCallDetail[]>> {
  const named = await withIdentifiers(details, env)
  return named.ok ? parseDetails(named.value) : named
}

interface Answer {
  readonly scope: ProposedScope
  readonly way: Proposal['way']
  /** What came of a model that was asked. */
  readonly more?: Pick<Shown, 'model' | 'suggested'>
}

/** The answer: what is proposed, and by which way, under our signature. */
function answered(
  { scope, way, more }: Answer,
  { person, words, archetype, said }: Asked,
  env: Installation,
): Result<Shown> {
  const { details, sentences, digest } = scope
  const [unused] = way.by === 'model' ? [] : said.keys()
  if (unused !== undefined) {
    const message = `no template was chosen by a model that has \`${unused}\``
    return refuse({ reason: 'unknown_parameter', message })
  }
  const proposal =
    archetype === undefined
      ? undefined
      : signProposal({ way, details: [...details] }, { person, words, archetype }, env)
  return ok({
    details: [...details],
    sentences: [...sentences],
    digest,
    by: way.by,
    ...(way.by !== 'words' && { template: way.template.name }),
    ...(proposal !== undefined && { proposal }),
    ...more,
  })
}
