/**
 * Segments: the pieces of what an agent was shown, each with the principal who authored it.
 *
 * INVARIANT (immutable author): the principal comes from transport (a session, the server that a
 * connection leads to), is written once, and nothing changes a row of `segment`.
 *
 * Call `newSegment` for the record of a piece and `segmentBeside` to write it with its entry;
 * `ShownMemory` keeps what an agent was shown for `trace.ts`.
 */

import * as z from 'zod'
import type { Sealed } from '../audit/entry.ts'
import type { Positioned, RowBeside } from '../audit/log-writer.ts'
import type { SealedValue, Vault } from '../audit/vault.ts'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { type Id, newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { send, type Statement } from '../store/statement.ts'
import type { Store, Tx } from '../store/store.ts'
import type { TracedSegment, Trust } from './shown.ts'
import { recordsOf } from './structure.ts'
import { leaves } from './trace.ts'

/** What a segment is. An instruction may direct; everything else informs. */
export type SegmentKind = 'instruction' | 'tool_result' | 'resource' | 'prompt'

/** One piece of what an agent was shown. */
export interface Segment {
  readonly id: Id<'seg'>
  readonly agent: string
  readonly delegation?: string
  /** `per_…` for a person, `srv_…` for an MCP server. */
  readonly principal: string
  readonly kind: SegmentKind
  readonly trust: Trust
  /** Paths in the content whose values the system wrote, as declared at review. */
  readonly systemFields: readonly string[]
  readonly answers: Answers
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
}

const answersSchema = z.object({
  /** `tools/call:read_page`. */
  action: z.string().exactOptional(),
  /** The look-up was put in the person's own words. */
  directed: z.boolean().exactOptional(),
  /** The call changed something: the answer echoes what was sent. */
  echo: z.boolean().exactOptional(),
  /** Fields that callers of the server can write. */
  writable: z.array(z.string()).exactOptional(),
  /** The tool hands out what others wrote, as it stands: there are no fields in it. */
  verbatim: z.boolean().exactOptional(),
  confidential: z.boolean().exactOptional(),
})

/** What is known of the call that a segment answers. */
export type Answers = z.infer<typeof answersSchema>

/** A segment of `about`, not yet recorded. */
export function newSegment(
  about: Omit<Segment, 'id' | 'createdAt'>,
  env: { readonly clock: Clock; readonly random: Random },
): Segment {
  return { ...about, id: newId('seg', env), createdAt: env.clock.nowMilliseconds() }
}

type SegmentRow = {
  id: string
  agent: string
  delegation: string | null
  principal: string
  kind: string
  trust: string
  content_digest: string
  content_bytes: number
  system_fields: string
  answers: string
  created_at: number
  entry: number
}

/** A segment whose content was sealed, to be written beside the entry that names it. */
export function segmentBeside(segment: Segment, content: Sealed): RowBeside {
  return { kind: insertSegments, row: { segment, content } }
}

function insertSegments(beside: readonly Positioned[], entries: number): Statement {
  const rows = beside.map(({ row }) => row as { segment: Segment; content: Sealed })
  const segments = rows.map(({ segment }) => segment)
  return {
    name: 'insert_segments',
    text: INSERT_SEGMENTS,
    values: [
      entries,
      segments.map(({ id }) => id),
      segments.map(({ agent }) => agent),
      segments.map(({ delegation }) => delegation ?? null),
      segments.map(({ principal }) => principal),
      segments.map(({ kind }) => kind),
      segments.map(({ trust }) => trust),
      rows.map(({ content }) => content.sealed),
      rows.map(({ content }) => content.bytes),
      segments.map(({ systemFields }) => JSON.stringify(systemFields)),
      segments.map(({ answers }) => JSON.stringify(answers)),
      segments.map(({ createdAt }) => createdAt),
      beside.map(({ at }) => at),
    ],
  }
}

// `entry` is the index of the entry that names the segment: the entries of the batch are the log's last.
// One list is unnested, the others are indexed (`audit/append.ts` says why).
const INSERT_SEGMENTS = `
  insert into segment (
    id, agent, delegation, principal, kind, trust,
    content_digest, content_bytes, system_fields, answers, created_at, entry
  )
  select
    s.id, ($3::text[])[n], ($4::text[])[n], ($5::text[])[n], ($6::text[])[n], ($7::text[])[n],
    ($8::text[])[n], ($9::integer[])[n], ($10::text[])[n]::jsonb, ($11::text[])[n]::jsonb,
    ($12::bigint[])[n], head.size - $1::bigint + ($13::bigint[])[n]
  from log_head head, unnest($2::text[]) with ordinality as s(id, n)`

/**
 * What is looked at per agent: beyond it the oldest segments are left out, and their values ungrounded. As
 * many confidential ones are looked at beside: who reads much does not make us forget what must not leave.
 */
const MOST_SEGMENTS = 1_000

/** An agent, and the entry of the last segment of its that is known. */
export interface ShownSince {
  readonly agent: string
  readonly since: number
}

/** What an agent was shown. */
export interface Loaded {
  /** The oldest first. */
  readonly segments: TracedSegment[]
  /** Something confidential was left out, because there is too much of it. */
  forgets: boolean
}

/**
 * What each agent of `wanted` was shown after its entry `since`: entries are in the order of commits, at
 * every replica. Erased content is left out.
 */
export async function loadSegments(
  db: Tx | Store['db'],
  wanted: readonly ShownSince[],
  vault: Vault,
): Promise<readonly Loaded[]> {
  const agents = wanted.map(({ agent }) => agent)
  const since = wanted.map((each) => each.since)
  const values = [agents, since, MOST_SEGMENTS]
  const [answer] = await send(db, [{ name: 'load_segments', text: LOAD_SEGMENTS, values }])
  const rows = (answer?.rows ?? []) as unknown as readonly LoadedRow[]
  const loaded: Loaded[] = wanted.map(() => ({ segments: [], forgets: false }))
  if (rows.length === 0) return loaded
  const contents = await vault.openMany(
    db,
    rows.map((row) => ({ sealed: row.content_digest, bytes: row.content_bytes })),
  )
  for (const row of rows) {
    const content = contents.get(row.content_digest)
    if (content !== undefined) loaded[row.at - 1]?.segments.push(recorded(row, content))
  }
  for (const [at, each] of Map.groupBy(rows, (row) => row.at)) {
    const one = loaded[at - 1]
    if (one !== undefined) one.forgets = each.filter(isConfidential).length > MOST_SEGMENTS
  }
  return loaded
}

// One confidential segment more than is looked at tells that there are more.
const LOAD_SEGMENTS = `
  select
    w.at, s.id, s.principal, s.trust, s.content_digest, s.content_bytes, s.system_fields, s.answers,
    s.entry
  from unnest($1::text[], $2::bigint[]) with ordinality as w(agent, since, at)
  cross join lateral (
    (select * from segment
     where segment.agent = w.agent and segment.entry > w.since
     order by segment.entry desc, segment.id desc limit $3::integer)
    union
    (select * from segment
     where segment.agent = w.agent and segment.entry > w.since
       and segment.answers ->> 'confidential' = 'true'
     order by segment.entry desc, segment.id desc limit $3::integer + 1)
  ) as s
  order by w.at, s.entry, s.id`

function isConfidential({ answers }: LoadedRow): boolean {
  return answersSchema.parse(answers).confidential === true
}

type LoadedRow = Omit<SegmentRow, 'agent' | 'delegation' | 'kind' | 'created_at'> & {
  readonly at: number
}

const systemFieldsSchema = z.array(z.string())
const trustSchema = z.enum(['trusted', 'untrusted'])

function recorded(
  row: Omit<SegmentRow, 'agent' | 'delegation' | 'kind' | 'created_at'>,
  content: SealedValue,
): TracedSegment {
  const json: Json = content instanceof Uint8Array ? Buffer.from(content).toString('utf8') : content
  return tracedSegment(
    {
      id: row.id,
      principal: row.principal,
      trust: trustSchema.parse(row.trust),
      systemFields: systemFieldsSchema.parse(row.system_fields),
      answers: answersSchema.parse(row.answers),
      step: row.entry,
    },
    json,
  )
}

/** A segment with its content, as provenance sees it. */
export function tracedSegment(
  segment: Pick<Segment, 'principal' | 'trust' | 'systemFields' | 'answers'> & {
    readonly id: string
    readonly step: number
  },
  content: Json,
): TracedSegment {
  const { id, principal, trust, systemFields, answers, step } = segment
  const { directed, echo, writable = [], verbatim = false, confidential, action } = answers
  const known = {
    id,
    principal,
    trust,
    step,
    ...(directed !== undefined && { directed }),
    ...(echo !== undefined && { echo }),
    ...(confidential !== undefined && { confidential }),
    ...(action !== undefined && { label: action }),
  }
  if (trust === 'trusted') return { ...known, text: textOf(content) }
  const records = recordsOf(content, { systemFields, writable, inferred: !verbatim })
  const texts = records.flatMap(({ fields }) => fields.filter((field) => field.kind === 'text'))
  return { ...known, text: texts.map((field) => field.text).join('\n'), records }
}

function textOf(content: Json): string {
  return typeof content === 'string'
    ? content
    : leaves(content)
        .map((leaf) => leaf.text)
        .join('\n')
}

/** What an agent said of the work that it handed on: its words, whatever its person asked for. */
export function handedOnSegment({
  id,
  purpose,
  by = 'agent',
}: {
  readonly id: string
  readonly purpose: string
  /** The agent. */
  readonly by?: string
}): TracedSegment {
  return { id, principal: by, trust: 'untrusted', text: purpose, label: 'purpose', step: 0 }
}

/**
 * What a person's delegation says, as a segment: the purpose and the intent are theirs, so they ground.
 * Only the purpose is in their words.
 */
export function intentSegment(
  delegation: { readonly id: string; readonly person: string; readonly purpose: string },
  details: readonly JsonObject[],
): TracedSegment {
  const { id, person, purpose } = delegation
  // Of the details, what arguments may be: names of tools and servers are no values that somebody said.
  const values = details.flatMap((detail) => leaves({ arguments: detail['arguments'] ?? {} }))
  const text = [purpose, ...values.map((leaf) => leaf.text)].join('\n')
  return { id, principal: person, trust: 'trusted', text, words: purpose, step: 0 }
}
