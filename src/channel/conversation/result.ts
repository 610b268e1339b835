/**
 * What a tool returned to the agent of a conversation, as a message of it: `newResult`, `resultBeside`.
 *
 * The agent has no say in it. The conversation is that of the delegation which the call was made under; the
 * author is the server that the connection led to; the audience are the people who were put to the policy
 * for this call, and whom it permits. It is written with the outcome of the call, as one entry.
 *
 * INVARIANT (immutable author): a result is data of its server, with no authority, whatever it says.
 *
 * INVARIANT (entitled answers): nobody reads through a conversation what they were not permitted to ask for.
 */

import { sql } from 'kysely'
import type { EntryOf, Sealed } from '../../audit/entry.ts'
import type { Positioned, RowBeside } from '../../audit/log-writer.ts'
import { canonicalJson, type Json, type JsonObject } from '../../base/canonical-json.ts'
import type { Clock } from '../../base/clock.ts'
import { newId } from '../../base/id.ts'
import type { Random } from '../../base/random.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import type { PersonId } from '../../people/person.ts'
import type { Statement } from '../../store/statement.ts'
import type { Tx } from '../../store/store.ts'
import {
  type Content,
  type ConversationId,
  type EventOf,
  MAX_TEXT,
  MOST_BYTES,
  MOST_EVENTS,
  type Participant,
  serverSchema,
  type ServerPrincipal,
} from './conversation.ts'

/** The conversation that an agent acts in, as its calls need to know it. */
export interface ActedIn {
  readonly id: ConversationId
  /** It holds no more results; what is left of it is for people. */
  readonly isFull: boolean
}

/** What people keep of a conversation, whatever the agent's tools return. */
const KEPT_EVENTS = 500
const KEPT_BYTES = 1024 * 1024

/** The conversation of a delegation, if it has one. */
export async function actedIn(tx: Tx, delegation: DelegationId): Promise<ActedIn | undefined> {
  const { rows } = await sql<{ id: ConversationId; events: number; bytes: number }>`
    select c.id, count(*) as events,
      coalesce(sum((e.facts -> 'content' ->> 'bytes')::bigint), 0)::bigint as bytes
    from conversation c join conversation_event e on e.conversation = c.id
    where c.delegation = ${delegation} group by c.id`.execute(tx)
  const [found] = rows
  if (found === undefined) return undefined
  const { id, events, bytes } = found
  const isFull = events >= MOST_EVENTS - KEPT_EVENTS || bytes >= MOST_BYTES - KEPT_BYTES
  return { id, isFull }
}

/** What is known of a call and of what it returned. */
export interface Returned {
  readonly conversation: ConversationId
  readonly call: string
  readonly intended: number
  readonly server: { readonly id: string; readonly name: string }
  readonly action: string
  /** Who was permitted the call. */
  readonly people: readonly PersonId[]
}

/** A result that is not recorded yet. */
export type NewResult = Omit<EventOf<'result'>, 'seq' | 'entry' | 'content' | 'author'> & {
  readonly conversation: ConversationId
  readonly author: ServerPrincipal
}

/** A result of `returned`. */
export function newResult(
  { server, people, ...returned }: Returned,
  time: number,
  env: { readonly clock: Clock; readonly random: Random },
): NewResult {
  return {
    ...returned,
    kind: 'result',
    message: newId('msg', env),
    author: serverSchema.parse(server.id),
    server: server.name,
    action: actionOf(returned.action),
    audience: [...people] satisfies Participant[],
    time,
  }
}

/** An action as events have it: the database keeps no broken text. */
export function actionOf(action: string): string {
  return action.slice(0, 300).replaceAll('\0', ' ').toWellFormed()
}

/** What the outcome of the call says of it. */
export function saidOfResult({
  message,
  audience,
  content,
}: Pick<EventOf<'result'>, 'message' | 'audience' | 'content'>): Omit<
  NonNullable<EntryOf<'call_outcome'>['message']>,
  'conversation'
> {
  return { message, audience: [...audience], content }
}

/** A result whose content was sealed, to be written beside the outcome of its call. */
export function resultBeside(result: NewResult, content: Sealed): RowBeside {
  return { kind: insertResults, row: { ...result, content } }
}

function insertResults(beside: readonly Positioned[], entries: number): Statement {
  const rows = beside.map(({ row }) => row as NewResult & { readonly content: Sealed })
  return {
    name: 'insert_results',
    text: INSERT_RESULTS,
    values: [
      entries,
      rows.map(({ conversation }) => conversation),
      rows.map(({ author }) => author),
      rows.map(factsOf),
      rows.map(({ time }) => time),
      beside.map(({ at }) => at),
    ],
  }
}

function factsOf(result: NewResult & { readonly content: Sealed }): string {
  const { kind, message, call, intended, server, action, audience, content } = result
  return JSON.stringify({ kind, message, call, intended, server, action, audience, content })
}

// The head is locked by the entries before it: nobody else adds to a conversation, whatever they add.
const INSERT_RESULTS = `
  insert into conversation_event (conversation, seq, kind, author, facts, entry, created_at)
  select
    r.conversation,
    (select max(e.seq) from conversation_event e where e.conversation = r.conversation)
      + (row_number() over (partition by r.conversation order by r.at))::integer,
    'result', r.author, r.facts, head.size - $1::bigint + r.at, r.created_at
  from log_head head, unnest(
    $2::text[], $3::text[], $4::jsonb[], $5::bigint[], $6::bigint[]
  ) as r(conversation, author, facts, created_at, at)`

/** What a conversation keeps of a result: its text, as far as a message holds one. */
export function contentOfResult(result: JsonObject): Content {
  const text = textOfResult(result).toWellFormed()
  const characters = text.length
  if (characters <= MAX_TEXT) return { parts: [{ kind: 'data', text }] }
  const note = `\n[the first part of ${characters} characters]`
  const first = text.slice(0, MAX_TEXT - note.length).toWellFormed()
  return { parts: [{ kind: 'data', text: `${first}${note}` }] }
}

/** The texts of a tool's result; all of anything else, as JSON. */
function textOfResult(result: JsonObject): string {
  const { content } = result
  const texts = Array.isArray(content) ? content.map(textOfBlock) : []
  const text = texts.join('\n')
  return text === '' ? canonicalJson(result) : text
}

/** Images and sounds are named, not kept: nobody reads them in a text. */
function textOfBlock(block: Json): string {
  if (typeof block !== 'object' || block === null || Array.isArray(block)) return ''
  const { type, text, data: _data, ...rest } = block as JsonObject
  if (type === 'text' && typeof text === 'string') return text
  return canonicalJson({ type: type ?? null, ...rest })
}
