/**
 * What a model is shown of a conversation: segments, each with a verified envelope.
 *
 * Call `segmentsFor` for whoever asks; `envelopesDigest` is what the entry of a turn holds. An envelope is
 * made from the record alone and never from a text: `session verify` makes the same list again.
 *
 * INVARIANT (entitled answers): nothing that the asker may not know of is in the list, so an answer that is
 * made from it can hold nothing of the kind.
 */

import type { Sealed } from '../../audit/entry.ts'
import { type Digest, digestOfJson } from '../../base/bytes.ts'
import type { JsonObject } from '../../base/canonical-json.ts'
import {
  AUTHORITY,
  type Author,
  DIRECTS_ALL,
  type MessageId,
  type Part,
  type Participant,
  type Span,
} from './conversation.ts'
import {
  authorityOf,
  maySee,
  membershipAt,
  type Message,
  messageOf,
  messagesBefore,
  type Transcript,
  turnOf,
} from './transcript.ts'

/** A principal as tokens name it. */
export interface Principal {
  /** The installation that authenticated it. */
  readonly iss: string
  readonly sub: Author
}

/** Who said a piece of text, by the record. */
export interface Envelope {
  readonly principal: Principal
  readonly onBehalfOf?: Principal
  /** An ordinal of `AUTHORITY`: 0 for what informs only. */
  readonly authority: number
  readonly kind: 'utterance' | 'quoted' | 'data' | 'assistant'
  /** Who sent the message that it stands in: another than its principal where it is quoted. */
  readonly sender: {
    readonly principal: Principal
    readonly authority: number
    readonly onBehalfOf?: Principal
  }
  /** The message that it stands in, and the one that it was first said in. */
  readonly message: MessageId
  readonly of: MessageId
  /** Which part of that message it is. */
  readonly part: number
  /** The salted digest of the content that holds the text. */
  readonly content: Sealed['sealed']
}

/** A piece of text with its envelope. */
export interface ModelSegment {
  readonly envelope: Envelope
  /** What was said; empty if it was erased. */
  readonly text: string
  /** What the record says of it without its words. */
  readonly span: Span
  /** What a directive says that was sent as one. */
  readonly directive?: Extract<Part, { kind: 'directive' }>
}

/** A quotation of quotations ends here: more leaves than this are not shown. */
export const MOST_LEAVES = 50

/** As of which event, and for what kind of model: one with the channel is not shown its own answers again. */
export interface Showing {
  readonly at?: number
  readonly through: 'channel' | 'messages'
  readonly issuer: string
}

/** What `viewer` may be answered from at the event `at`, oldest first. */
export function segmentsFor(
  viewer: Participant,
  transcript: Transcript,
  { at = Infinity, through, issuer }: Showing,
): readonly ModelSegment[] {
  const byId = messagesById(transcript, at)
  const shown = messagesBefore(transcript, at).filter(
    ({ kind }) => kind !== 'answered' || through === 'messages',
  )
  return shown.flatMap((message) => {
    const whole = maySee(viewer, message, transcript, at)
    return leavesOf(message.message, byId)
      .filter((leaf) => whole || isForEverybody(leaf, viewer, transcript, at))
      .map((leaf) => segmentOf(leaf, message, { transcript, at, issuer }))
  })
}

/** Whether somebody may know of all that `segments` were made from. */
export function mayKnow(
  viewer: Participant,
  segments: readonly ModelSegment[],
  transcript: Transcript,
  at = Infinity,
): boolean {
  return segments.every(({ envelope, span }) => {
    const message = messageOf(envelope.message, transcript)
    const of = messageOf(envelope.of, transcript)
    if (message === undefined || of === undefined) return false
    const leaf = { of, part: envelope.part, span, isQuoted: envelope.message !== envelope.of }
    return maySee(viewer, message, transcript, at) || isForEverybody(leaf, viewer, transcript, at)
  })
}

/** The digest of what a model is told about who spoke. */
export function envelopesDigest(segments: readonly ModelSegment[]): Digest {
  return digestOfJson(segments.map(({ envelope }) => envelope as unknown as JsonObject))
}

/** The first message in which a part of a message was said, and what it is there. */
interface Leaf {
  readonly of: Message
  readonly part: number
  readonly span: Span
  readonly isQuoted: boolean
}

/** The messages before the event `at`, by their identifiers. */
export function messagesById(
  transcript: Pick<Transcript, 'events'>,
  at = Infinity,
): ReadonlyMap<MessageId, Message> {
  return new Map(messagesBefore(transcript, at).map((each) => [each.message, each]))
}

/** The parts of a message with quotations resolved, at most one more than `MOST_LEAVES` of them. */
export function leavesOf(
  id: MessageId,
  byId: ReadonlyMap<MessageId, Message>,
  isQuoted = false,
): readonly Leaf[] {
  const of = byId.get(id)
  if (of === undefined) return []
  const spans = spansOf(of)
  const found: Leaf[] = []
  for (const [part, span] of spans.entries()) {
    // A quotation repeats an earlier message, so this ends; what it repeats may hold documents too.
    const leaves =
      span.kind === 'quoted' && span.from !== undefined
        ? leavesOf(span.from, byId, true)
        : [{ of, part, span, isQuoted }]
    found.push(...leaves.slice(0, MOST_LEAVES + 1 - found.length))
  }
  return found
}

function spansOf(message: Message): readonly Span[] {
  switch (message.kind) {
    case 'said':
      return message.spans
    case 'answered':
      return [{ kind: 'utterance' }]
    case 'result':
      return [{ kind: 'data' }]
    default:
      throw new Error(`expected a message, got \`${JSON.stringify(message satisfies never)}\``)
  }
}

/** What was settled for everybody is no secret to those who came later. */
function isForEverybody(
  { of, span, isQuoted }: Leaf,
  viewer: Participant,
  transcript: Transcript,
  at: number,
): boolean {
  return (
    !isQuoted &&
    span.kind === 'directive' &&
    span.scope === 'all' &&
    membershipAt(viewer, transcript, at) !== undefined &&
    authorityOf(of, transcript, at) >= DIRECTS_ALL
  )
}

function segmentOf(
  { of, part, span, isQuoted }: Leaf,
  message: Message,
  env: { readonly transcript: Transcript; readonly at: number; readonly issuer: string },
): ModelSegment {
  const { transcript, at, issuer } = env
  const kind = kindOf(of, span, isQuoted)
  const speaksFor = of.kind === 'said' ? of.onBehalfOf : questionOf(of, transcript)?.author
  // Nobody vouches for a document, whoever brought it; what a tool returned is of its server.
  const isDocument = kind === 'data' && of.kind !== 'result'
  const envelope: Envelope = {
    principal: { iss: issuer, sub: isDocument ? 'document' : of.author },
    sender: {
      principal: { iss: issuer, sub: message.author },
      authority: levelOf(message, transcript, at),
      ...(message.kind === 'said' &&
        message.onBehalfOf !== undefined && {
          onBehalfOf: { iss: issuer, sub: message.onBehalfOf },
        }),
    },
    ...(speaksFor !== undefined &&
      kind !== 'data' && { onBehalfOf: { iss: issuer, sub: speaksFor } }),
    // What informs never directs, whoever wrote it or brought it.
    authority: authorityIn(kind, of, transcript, at),
    kind,
    message: message.message,
    of: of.message,
    part,
    content: of.content.sealed,
  }
  const held = transcript.contents.get(of.message)?.parts[part]
  return {
    envelope,
    span,
    text: textOf(held),
    ...(held?.kind === 'directive' && !isQuoted && { directive: held }),
  }
}

function kindOf(of: Message, span: Span, isQuoted: boolean): Envelope['kind'] {
  if (span.kind === 'data') return 'data'
  if (isQuoted) return 'quoted'
  return of.kind === 'answered' ? 'assistant' : 'utterance'
}

function authorityIn(
  kind: Envelope['kind'],
  of: Message,
  transcript: Transcript,
  at: number,
): number {
  return kind === 'quoted' || kind === 'data' ? AUTHORITY.data : levelOf(of, transcript, at)
}

/** The level of a message; the agent's own words carry that of whoever asked for them. */
function levelOf(message: Message, transcript: Transcript, at: number): number {
  if (message.kind === 'said') return authorityOf(message, transcript, at)
  const question = questionOf(message, transcript)
  return question === undefined ? AUTHORITY.data : authorityOf(question, transcript, at)
}

/** The message that an answer answers; what a tool returned answers nobody's. */
function questionOf(
  answer: Exclude<Message, { kind: 'said' }>,
  transcript: Transcript,
): Message | undefined {
  if (answer.kind === 'result') return undefined
  const turn = turnOf(answer.turn, transcript)
  return turn === undefined ? undefined : messageOf(turn.question, transcript)
}

function textOf(held: Part | undefined): string {
  switch (held?.kind) {
    case 'utterance':
    case 'data':
      return held.text
    case 'directive':
      return `${held.scope === 'all' ? 'set' : 'my'} ${held.key} ${held.value}`
    case 'quoted':
    case undefined:
      return ''
    default:
      throw new Error(`expected a known part, got \`${JSON.stringify(held satisfies never)}\``)
  }
}
