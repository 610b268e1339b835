/**
 * Templates: requests that recur, with what they need, written once by whoever answers for a kind of agent.
 *
 * "refund order {id} up to {amount}" is a sentence with parameters; its details hold the same parameters
 * where a value belongs. Call `fillTemplate`: if the words are the sentence, the details are intent like
 * any other. What stands in a parameter is one value and never structure.
 */

import * as z from 'zod'
import { append } from '../audit/append.ts'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { archetypeSubject } from '../identity/agent.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store, Tx } from '../store/store.ts'
import { answersFor } from './agency.ts'
import { inPlainWords } from './detail-in-words.ts'
import { type McpCallDetail, parseDetails } from './intent.ts'

const detailSchema = z.record(z.string(), z.json())

/** A request that recurs. */
export interface ScopeTemplate {
  readonly name: string
  /** With `{parameter}` for each value. */
  readonly sentence: string
  /** Details with `"{parameter}"` where a value belongs; a number stays one. */
  readonly details: readonly z.infer<typeof detailSchema>[]
}

const PARAMETER = /\{([a-z][a-z0-9_]{0,30})\}/g

/** The details of a template for these words; undefined when the words are not its sentence. */
export function fillTemplate(
  template: Pick<ScopeTemplate, 'sentence' | 'details'>,
  words: string,
): readonly McpCallDetail[] | undefined {
  const values = valuesIn(template.sentence, words)
  if (values === undefined) return undefined
  const parsed = parseDetails(filled(template.details, values))
  return parsed.ok ? parsed.value : undefined
}

/** The words without case, doubled spaces and the end of a sentence. */
function plain(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').replace(/[.!]$/, '')
}

function valuesIn(sentence: string, words: string): ReadonlyMap<string, string> | undefined {
  const names = [...sentence.matchAll(PARAMETER)].map(([, name]) => name ?? '')
  const parts = plain(sentence)
    .split(/\{[a-z][a-z0-9_]{0,30}\}/)
    .map((part) => RegExp.escape(part))
  // One word, or several between quotes: a value cannot swallow the rest of the sentence.
  const pattern = new RegExp(`^${parts.join(`("[^"{}]{1,200}"|[^\\s"{}]{1,200})`)}$`, 'i')
  const found = pattern.exec(plain(words))
  if (found === null) return undefined
  const values = new Map<string, string>()
  for (const [at, name] of names.entries()) {
    const value = (found[at + 1] ?? '').replaceAll('"', '')
    // Said twice, it has to be the same.
    if ((values.get(name) ?? value) !== value) return undefined
    values.set(name, value)
  }
  return values
}

/** Puts values in the place of parameters; a whole text that is one parameter may become a number. */
function filled(value: Json, values: ReadonlyMap<string, string>): Json {
  if (typeof value === 'string') {
    const [, whole] = /^\{([a-z][a-z0-9_]{0,30})\}$/.exec(value) ?? []
    const text = value.replaceAll(PARAMETER, (all, name: string) => values.get(name) ?? all)
    return whole !== undefined && /^(?:0|[1-9]\d{0,10})(?:\.\d{1,4})?$/.test(text)
      ? Number(text)
      : text
  }
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => filled(item, values))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, member]) => [
      key,
      member === undefined ? null : filled(member, values),
    ]),
  )
}

/** What a template allows, a sentence for each part, with its parameters where values belong. */
export function templateInWords({ details }: Pick<ScopeTemplate, 'details'>): readonly string[] {
  // Only `isSound` templates are kept: with a value in each place they are intent.
  return details.map((detail) => inPlainWords(detail as unknown as McpCallDetail))
}

/** Whether a template can be used: its details, with any value in each place, are intent. */
function isSound({ sentence, details }: ScopeTemplate): boolean {
  const names = new Set([...sentence.matchAll(PARAMETER)].map(([, name]) => name ?? ''))
  const used = [...JSON.stringify(details).matchAll(PARAMETER)].map(([, name]) => name ?? '')
  const sample = new Map([...names].map((name) => [name, '1']))
  return used.every((name) => names.has(name)) && parseDetails(filled(details, sample)).ok
}

type TemplateTables = {
  scope_template: { archetype: string; name: string; sentence: string; details: string }
}

const MOST_TEMPLATES = 200

/** Keeps a template for a kind of agent; whoever answers for it does, and nobody else. */
export async function keepTemplate(
  request: ScopeTemplate & { readonly archetype: string },
  session: Session,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<Result<undefined>> {
  const { archetype, name, sentence } = request
  if (!isSound(request)) {
    const message = 'expected details that are intent whatever stands in the parameters'
    return refuse({ reason: 'invalid_authorization_details', message })
  }
  return await env.store.transaction(async (tx) => {
    const time = env.clock.nowMilliseconds()
    const entitled = await answersFor(tx, archetype, session, time)
    if (!entitled.ok) return entitled
    if ((await templatesOf(tx, archetype)).length >= MOST_TEMPLATES)
      return refuse({ reason: 'too_many_templates' })
    const details = JSON.stringify(request.details)
    await tx
      .withTables<TemplateTables>()
      .insertInto('scope_template')
      .values({ archetype, name, sentence, details })
      .onConflict((on) => on.columns(['archetype', 'name']).doUpdateSet({ sentence, details }))
      .execute()
    const subject = archetypeSubject(archetype)
    const by = personActor(session)
    const kept = { archetype: subject, name, sentence }
    await append(tx, [{ v: 1, kind: 'template_kept', time, by, touches: [subject], ...kept }])
    return ok()
  })
}

/** The templates of a kind of agent, by name. */
export async function templatesOf(tx: Tx, archetype: string): Promise<ScopeTemplate[]> {
  const rows = await tx
    .withTables<TemplateTables>()
    .selectFrom('scope_template')
    .select(['name', 'sentence', 'details'])
    .where('archetype', '=', archetype)
    .orderBy('name')
    .execute()
  return rows.map(({ name, sentence, details }) => ({
    name,
    sentence,
    details: z.array(detailSchema).parse(details),
  }))
}
