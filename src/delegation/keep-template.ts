/**
 * Keeping templates, and taking them away: whoever answers for a kind of agent does, and nobody else.
 *
 * What was delegated by a template keeps what it was given, whatever becomes of the template.
 */

import { append } from '../audit/append.ts'
import type { Digest } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { archetypeSubject } from '../identity/agent.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store, Tx } from '../store/store.ts'
import { answersFor } from './agency.ts'
import {
  digestOfTemplate,
  isSound,
  parametersSchema,
  type ScopeTemplate,
  templateDetailsSchema,
} from './template.ts'

type TemplateTables = {
  scope_template: {
    archetype: string
    name: string
    sentence: string
    details: string
    parameters: string
  }
}

const MOST_TEMPLATES = 200

interface Env {
  readonly store: Store
  readonly clock: Clock
}

/** Keeps a template for a kind of agent, or another in the place of one. */
export async function keepTemplate(
  request: Omit<ScopeTemplate, 'parameters'> & {
    readonly archetype: string
    readonly parameters?: unknown
  },
  session: Session,
  env: Env,
): Promise<Result<undefined>> {
  const { archetype, name, sentence } = request
  const parameters = parametersSchema.safeParse(request.parameters ?? {})
  if (!parameters.success) {
    const message = 'expected of each parameter `type` and `within`, one condition on one value'
    return refuse({ reason: 'invalid_parameters', message })
  }
  const template = { sentence, details: request.details, parameters: parameters.data }
  if (!isSound(template)) {
    const message =
      'expected details that are intent whatever stands in the parameters, and those in conditions and limits alone'
    return refuse({ reason: 'invalid_authorization_details', message })
  }
  return await env.store.transaction(async (tx) => {
    const time = env.clock.nowMilliseconds()
    const entitled = await answersFor(tx, archetype, session, time)
    if (!entitled.ok) return entitled
    const others = (await templatesOf(tx, archetype)).filter((one) => one.name !== name)
    if (others.length >= MOST_TEMPLATES) return refuse({ reason: 'too_many_templates' })
    const row = {
      sentence,
      details: JSON.stringify(template.details),
      parameters: JSON.stringify(template.parameters),
    }
    await tx
      .withTables<TemplateTables>()
      .insertInto('scope_template')
      .values({ archetype, name, ...row })
      .onConflict((on) => on.columns(['archetype', 'name']).doUpdateSet(row))
      .execute()
    const subject = archetypeSubject(archetype)
    const by = personActor(session)
    const kept = { archetype: subject, name, sentence, template: digestOfTemplate(template) }
    await append(tx, [{ v: 1, kind: 'template_kept', time, by, touches: [subject], ...kept }])
    return ok()
  })
}

/** Takes a template away. */
export async function removeTemplate(
  { archetype, name }: { readonly archetype: string; readonly name: string },
  session: Session,
  env: Env,
): Promise<Result<undefined>> {
  return await env.store.transaction(async (tx) => {
    const time = env.clock.nowMilliseconds()
    const entitled = await answersFor(tx, archetype, session, time)
    if (!entitled.ok) return entitled
    const { numDeletedRows } = await tx
      .withTables<TemplateTables>()
      .deleteFrom('scope_template')
      .where('archetype', '=', archetype)
      .where('name', '=', name)
      .executeTakeFirst()
    if (numDeletedRows === 0n) {
      const message = `no template \`${name}\` of ${archetype}`
      return refuse({ reason: 'unknown_template', message })
    }
    const subject = archetypeSubject(archetype)
    const by = personActor(session)
    const removed = { archetype: subject, name }
    await append(tx, [{ v: 1, kind: 'template_removed', time, by, touches: [subject], ...removed }])
    return ok()
  })
}

/** The templates of a kind of agent, by name. */
export async function templatesOf(tx: Tx, archetype: string): Promise<ScopeTemplate[]> {
  const rows = await rowsOf(tx, archetype).orderBy('name').execute()
  return rows.map(templateIn)
}

/**
 * The digest of a template as it is kept now, if it is. It stays so until the transaction ends: what is
 * recorded beside it is recorded before anybody takes it away.
 */
export async function lockedTemplate(
  tx: Tx,
  archetype: string,
  name: string,
): Promise<Digest | undefined> {
  const row = await rowsOf(tx, archetype).where('name', '=', name).forShare().executeTakeFirst()
  return row && digestOfTemplate(templateIn(row))
}

function rowsOf(tx: Tx, archetype: string) {
  return tx
    .withTables<TemplateTables>()
    .selectFrom('scope_template')
    .select(['name', 'sentence', 'details', 'parameters'])
    .where('archetype', '=', archetype)
}

function templateIn({
  name,
  sentence,
  details,
  parameters,
}: Omit<TemplateTables['scope_template'], 'archetype'>): ScopeTemplate {
  const declared = parametersSchema.parse(parameters)
  return {
    name,
    sentence,
    details: templateDetailsSchema.parse(details),
    ...(Object.keys(declared).length > 0 && { parameters: declared }),
  }
}
