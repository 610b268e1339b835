/**
 * A conversation for a model with the principal channel: tokens, and beside them who they are of.
 *
 * Call `compileTensors`; it is pure. Structural tokens, authority, kind and vector come from the envelopes;
 * the texts only ever become text tokens (`ChannelTokenizer.encode`).
 */

import {
  type Called,
  type ChannelTensors,
  type ChannelTokenizer,
  PRINCIPAL_DIMENSIONS,
  type TokenKind,
} from '../principal-model.ts'
import type { MessageId } from './conversation.ts'
import type { ModelSegment, Principal } from './envelopes.ts'
import { principalVector } from './principal-vector.ts'

/** How principals are called in a text: nothing depends on it. */
export type Names = (principal: Principal) => string

/** The tensors, and which message each of their ends belongs to. */
export interface Compiled {
  readonly tensors: ChannelTensors
  readonly messages: readonly MessageId[]
}

interface Writing {
  readonly inputIds: number[]
  readonly authority: number[]
  readonly kind: number[]
  readonly vectors: Float32Array[]
}

/** The tensors of what a model is shown; the last message is the question, and its turn follows. */
export function compileTensors(
  segments: readonly ModelSegment[],
  env: { readonly key: Uint8Array; readonly tokenizer: ChannelTokenizer; readonly names: Names },
): Compiled {
  const { tokenizer, names } = env
  const known = new Map<string, Float32Array>()
  const vectorOf = (principal: Principal): Float32Array => {
    const name = `${principal.iss}\0${principal.sub}`
    const vector = known.get(name) ?? principalVector(env.key, principal)
    known.set(name, vector)
    return vector
  }
  const out: Writing = { inputIds: [], authority: [], kind: [], vectors: [] }
  const write = (
    ids: readonly number[],
    { kind, authority, of }: { kind: TokenKind; authority: number; of: Principal },
  ): void => {
    for (const id of ids) {
      out.inputIds.push(id)
      out.authority.push(authority)
      out.kind.push(tokenizer.kinds[kind])
      out.vectors.push(vectorOf(of))
    }
  }
  const messages: MessageId[] = []
  const messageEnds: number[] = []
  const groups = byMessage(segments)
  for (const group of groups) {
    const { of, authority, message, onBehalfOf } = speakerOf(group)
    const called = (principal: Principal): Called => ({ name: names(principal), authority })
    const header = tokenizer.header(called(of), onBehalfOf.map(called))
    write(header, { kind: 'header', authority, of })
    for (const segment of group) writeSegment(segment, { of, authority }, { ...env, write })
    write(tokenizer.end, { kind: 'header', authority, of })
    messages.push(message)
    messageEnds.push(out.inputIds.length - 1)
  }
  const last = groups.at(-1)
  if (last === undefined) throw new Error('expected a question, got nothing')
  // The assistant's own tokens carry the level and the vector of whoever asks.
  const asker = speakerOf(last)
  write(tokenizer.answer, { kind: 'assistant', authority: asker.authority, of: asker.of })
  return { messages, tensors: { ...tensorsOf(out), messageEnds } }
}

function writeSegment(
  { envelope, text, directive }: ModelSegment,
  speaker: { readonly of: Principal; readonly authority: number },
  env: {
    readonly tokenizer: ChannelTokenizer
    readonly names: Names
    readonly write: (
      ids: readonly number[],
      about: { kind: TokenKind; authority: number; of: Principal },
    ) => void
  },
): void {
  const { tokenizer, names, write } = env
  const { kind, authority, principal } = envelope
  const frame =
    kind === 'quoted' || kind === 'data'
      ? tokenizer.around(kind, { name: names(principal), authority })
      : { before: [], after: [] }
  write(frame.before, { kind: 'header', ...speaker })
  const ids = directive === undefined ? tokenizer.encode(text) : tokenizer.directive(directive)
  write(ids, { kind, authority, of: principal })
  write(frame.after, { kind: 'header', ...speaker })
}

/** The segments of each message, in order. */
export function byMessage(segments: readonly ModelSegment[]): readonly (readonly ModelSegment[])[] {
  const groups: ModelSegment[][] = []
  for (const segment of segments) {
    const current = groups.at(-1)
    if (current?.[0]?.envelope.message === segment.envelope.message) current.push(segment)
    else groups.push([segment])
  }
  return groups
}

/** Whose message it is, also of one that only quotes and shows. */
function speakerOf([first]: readonly ModelSegment[]): {
  readonly of: Principal
  readonly authority: number
  readonly message: MessageId
  readonly onBehalfOf: readonly Principal[]
} {
  if (first === undefined) throw new Error('expected a message with parts')
  const { sender, message } = first.envelope
  const { principal: of, authority, onBehalfOf } = sender
  return { of, authority, message, onBehalfOf: onBehalfOf === undefined ? [] : [onBehalfOf] }
}

function tensorsOf({
  inputIds,
  authority,
  kind,
  vectors,
}: Writing): Omit<ChannelTensors, 'messageEnds'> {
  const principalVectors = new Float32Array(vectors.length * PRINCIPAL_DIMENSIONS)
  for (const [at, vector] of vectors.entries()) {
    principalVectors.set(vector, at * PRINCIPAL_DIMENSIONS)
  }
  return { inputIds, authority, kind, principalVectors }
}
