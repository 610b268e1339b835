/**
 * Segments: the pieces of what an agent was shown, each with the principal who authored it.
 *
 * INVARIANT (immutable author): the principal comes from transport (a session, the server that a
 * connection leads to), is written once, and nothing changes a row of `segment`.
 *
 * Call `newSegment` for the record of a piece and `segmentBeside` to write it with its entry;
 * `loadSegments` gives what an agent was shown to `trace.ts`.
 */

import * as z from 'zod'
import type { Sealed } from '../audit/entry.ts'
import type { Positioned, RowBeside } from '../audit/log-writer.ts'
import type { SealedValue, Vault } from '../audit/vault.ts'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { type Id, newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import type { Statement } from '../store/statement.ts'
import type { Store, Tx } from '../store/store.ts'
import { leaves, type TracedSegment, type Trust } from './trace.ts'

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
  /** Paths in the content whose values are grounded although the segment is not trusted. */
  readonly systemFields: readonly string[]
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
}

/** A segment of `about`, not yet recorded. */
export function newSegment(
  about: Omit<Segment, 'id' | 'createdAt'>,
  env: { readonly clock: Clock; readonly random: Random },
): Segment {
  return { ...about, id: newId('seg', env), createdAt: env.clock.nowMilliseconds() }
}

type ChannelTables = {
  segment: {
    id: string
    agent: string
    delegation: string | null
    principal: string
    kind: string
    trust: string
    content_digest: string
    content_bytes: number
    system_fields: string
    created_at: number
    entry: number
  }
}

/** A segment whose content was sealed, to be written beside the entry that names it. */
export function segmentBeside(segment: Segment, content: Sealed): RowBeside {
  return { kind: insertSegments, row: { segment, content } }
}

interface SegmentRow {
  readonly segment: Segment
  readonly content: Sealed
}

function insertSegments(beside: readonly Positioned[], entries: number): Statement {
  const rows = beside.map(({ row }) => row as SegmentRow)
  const segments = rows.map(({ segment }) => segment)
  return {
    name: 'insert_segments',
    text: `
      insert into segment (
        id, agent, delegation, principal, kind, trust,
        content_digest, content_bytes, system_fields, created_at, entry
      )
      select
        s.id, s.agent, s.delegation, s.principal, s.kind, s.trust,
        s.content_digest, s.content_bytes, s.system_fields, s.created_at, head.size - $1::bigint + s.at
      from log_head head, unnest(
        $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::integer[], $10::jsonb[], $11::bigint[], $12::bigint[]
      ) as s(
        id, agent, delegation, principal, kind, trust,
        content_digest, content_bytes, system_fields, created_at, at
      )`,
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
      segments.map(({ createdAt }) => createdAt),
      beside.map(({ at }) => at),
    ],
  }
}

/** What is looked at per agent: beyond it the oldest segments are left out, and their values ungrounded. */
const MOST_SEGMENTS = 1_000

/** What the agents were shown, oldest first. Erased content is left out. */
export async function loadSegments(
  db: Tx | Store['db'],
  agents: readonly string[],
  vault: Vault,
): Promise<TracedSegment[]> {
  const rows = await db
    .withTables<ChannelTables>()
    .selectFrom('segment')
    .select(['id', 'principal', 'trust', 'content_digest', 'content_bytes', 'system_fields'])
    .where('agent', 'in', [...agents])
    .orderBy('entry', 'desc')
    .orderBy('id', 'desc')
    .limit(MOST_SEGMENTS)
    .execute()
  const contents = await vault.openMany(
    db,
    rows.map((row) => ({ sealed: row.content_digest, bytes: row.content_bytes })),
  )
  return rows.toReversed().flatMap((row) => {
    const content = contents.get(row.content_digest)
    return content === undefined ? [] : [tracedSegment(row, content)]
  })
}

const systemFieldsSchema = z.array(z.string())
const trustSchema = z.enum(['trusted', 'untrusted'])

function tracedSegment(
  row: Pick<ChannelTables['segment'], 'id' | 'principal' | 'trust' | 'system_fields'>,
  content: SealedValue,
): TracedSegment {
  const json: Json = content instanceof Uint8Array ? Buffer.from(content).toString('utf8') : content
  const found = leaves({ '': json })
  const systemFields = systemFieldsSchema.parse(row.system_fields)
  return {
    id: row.id,
    principal: row.principal,
    trust: trustSchema.parse(row.trust),
    text: found.map((leaf) => leaf.text).join('\n'),
    systemValues: found
      .filter((leaf) => systemFields.includes(leaf.path.replace(/^\.?/, '')))
      .map((leaf) => leaf.text),
  }
}

/** What a person's delegation says, as segments: the purpose and the intent are theirs, so they ground. */
export function intentSegment(
  delegation: { readonly id: string; readonly person: string; readonly purpose: string },
  details: readonly JsonObject[],
): TracedSegment {
  const text = [delegation.purpose, ...leaves({ details }).map((leaf) => leaf.text)].join('\n')
  return { id: delegation.id, principal: delegation.person, trust: 'trusted', text }
}
