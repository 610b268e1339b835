/**
 * A turn of the agent: somebody asks, and a model is shown what they are entitled to. `ask`.
 *
 * What the model is told about who spoke is recorded by digest before it runs (`record first`). With a
 * model that has the channel, the conversation becomes tensors and the answer is recorded with what the
 * model admitted; without one, the messages for any model are the answer. What takes effect is decided by
 * `fold-directives.ts`, whatever the model says.
 */

import { newId } from '../../base/id.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import { databaseMilliseconds } from '../../delegation/delegation-store.ts'
import { loadTree, standing } from '../../delegation/standing.ts'
import type { Session } from '../../people/session.ts'
import type { Tx } from '../../store/store.ts'
import type { Admission, ChannelTokenizer, PrincipalModel } from '../principal-model.ts'
import { recordAnswer } from './answer.ts'
import { compileMessages, type NeutralMessage } from './compile-messages.ts'
import { type Compiled, compileTensors } from './compile-tensors.ts'
import type { Author, ConversationEvent, MessageId, Participant, TurnId } from './conversation.ts'
import { keyFor } from './conversation-key.ts'
import { directorsOf } from './directing.ts'
import { envelopesDigest, type ModelSegment, segmentsFor } from './envelopes.ts'
import { record } from './event-store.ts'
import { type Folded, foldDirectives, settingsFor } from './fold-directives.ts'
import { namesOf, principalsOf } from './names.ts'
import { checkMessage, type SaidFacts, saidFacts } from './say.ts'
import { attend, type Attending, type ConversationEnv, readBefore } from './speaking.ts'
import { type Transcript, withContents } from './transcript.ts'

/** What somebody asks. */
export interface AskRequest {
  readonly conversation: string
  readonly question: string
  /** Who may know of the question; everybody who takes part when absent. */
  readonly audience?: readonly Participant[]
}

/** What asking needs beside a conversation. */
export interface AskEnv extends ConversationEnv {
  /** One that has the channel; without it the messages for another model are the answer. */
  readonly model?: PrincipalModel
}

/** A turn as it was recorded. */
export interface Turn {
  readonly turn: TurnId
  readonly question: MessageId
  /** The index of its entry in the log. */
  readonly entry: number
  readonly through: 'channel' | 'messages'
  readonly envelopes: string
  readonly segments: readonly ModelSegment[]
  /** Whose words may direct what the agent does next. */
  readonly directing: readonly Author[]
  /** What is settled for whoever asks, and by whom: from the record. */
  readonly settings: readonly Folded[]
  /** For a model without the channel. */
  readonly messages: readonly NeutralMessage[]
  readonly answer?: Answer
}

/** What a model with the channel answered. */
export interface Answer {
  readonly message: MessageId
  readonly text: string
  /** Everybody who may know all that it draws on. */
  readonly audience: readonly Participant[]
  /** What the model holds of each message. */
  readonly admission: readonly { readonly message: MessageId; readonly admission: Admission }[]
}

/** Records a question and the turn that it begins; with a model, its answer too. */
export async function ask(
  request: AskRequest,
  session: Session,
  env: AskEnv,
): Promise<Result<Turn>> {
  // One for the conversation: it gives words back that it was given.
  const tokenizer = env.model?.tokenizer()
  const speaker = { type: 'person', session } as const
  const known = await readBefore(request.conversation, env)
  if (!known.ok) return known
  const begun = await attend(request.conversation, speaker, env, async (tx, attending) => {
    const transcript = await withContents(tx, attending.transcript, env.vault, known.value)
    const tree = await loadTree(tx, transcript.conversation.delegation)
    if (tree === undefined) throw new Error('expected the delegation of a conversation to exist')
    const stands = standing(tree, Math.floor((await databaseMilliseconds(tx)) / 1_000))
    if (!stands.ok) return stands
    const parts = [{ kind: 'utterance', text: request.question }] as const
    const checked = checkMessage({ ...request, parts }, attending)
    if (!checked.ok) return checked
    const said = await saidFacts(tx, { ...request, parts }, { speaker, attending }, env)
    const question: ConversationEvent = {
      ...said,
      seq: attending.next,
      entry: 0,
      author: attending.speaker,
      time: env.clock.nowMilliseconds(),
    }
    const asked = {
      ...transcript,
      events: [...transcript.events, question],
      contents: new Map(transcript.contents).set(said.message, { parts: [...parts] }),
    }
    return await begin(tx, { said, transcript: asked }, attending, { ...env, tokenizer })
  })
  if (!begun.ok) return begun
  const { turn, tensors } = begun.value
  const { model } = env
  if (model === undefined || tokenizer === undefined || tensors === undefined) return ok(turn)
  const { conversation } = request
  return await answered(turn, tensors, { conversation, session }, { ...env, model, tokenizer })
}

interface Begun {
  readonly turn: Turn
  readonly tensors?: Compiled
}

/** Records question and turn; everything that the model is told is known by then. */
async function begin(
  tx: Tx,
  { said, transcript }: { readonly said: SaidFacts; readonly transcript: Transcript },
  { speaker, by, next }: Attending,
  env: AskEnv & { readonly tokenizer: ChannelTokenizer | undefined },
): Promise<Result<Begun>> {
  const { conversation } = transcript
  const { issuer, model, tokenizer } = env
  const through = model === undefined ? 'messages' : 'channel'
  const segments = segmentsFor(speaker, transcript, { through, issuer })
  const settings = settingsFor(speaker, foldDirectives(transcript))
  const principals = principalsOf(segments)
  const { key, epoch, rekeyed } = await keyFor(tx, conversation.id, principals, env)
  const names = await namesOf(tx, principals, transcript)
  const tensors =
    tokenizer === undefined ? undefined : compileTensors(segments, { key, tokenizer, names })
  if (model !== undefined && (tensors?.tensors.inputIds.length ?? 0) > model.maxTokens)
    return refuse({ reason: 'conversation_too_long' })
  const question = segments.findLast(({ envelope }) => envelope.message === said.message)
  // Only now are the conversation's own words known. A question that was not read has no answer.
  if (tokenizer?.reads(question?.text ?? '') === false)
    return refuse({
      reason: 'bad_question',
      message: `expected a question in the words of \`${model?.name}\`, such as \`get style\``,
    })
  const turn: TurnId = newId('trn', env)
  const envelopes = envelopesDigest(segments)
  const directing = directorsOf(speaker, { segments, settings, through })
  const recorded = await record(
    tx,
    { conversation, by, author: speaker },
    {
      next,
      facts: [
        said,
        ...(rekeyed ? [{ kind: 'rekeyed', epoch } as const] : []),
        {
          kind: 'turn',
          turn,
          question: said.message,
          through,
          ...(model !== undefined && { model: { name: model.name, digest: model.digest } }),
          epoch,
          envelopes,
          segments: segments.length,
          directing: [...directing],
        },
      ],
    },
    env,
  )
  return ok({
    ...(tensors !== undefined && { tensors }),
    turn: {
      turn,
      question: said.message,
      entry: recorded.at(-1)?.entry ?? 0,
      through,
      envelopes,
      segments,
      directing,
      settings,
      messages: compileMessages(segments, settings, { key, turn, names, issuer }),
    },
  })
}

/** Runs the model, outside of any transaction, and records what it answered. */
async function answered(
  turn: Turn,
  { tensors, messages }: Compiled,
  { conversation, session }: { readonly conversation: string; readonly session: Session },
  env: AskEnv & { readonly model: PrincipalModel; readonly tokenizer: ChannelTokenizer },
): Promise<Result<Turn>> {
  const { model, tokenizer } = env
  const output = await model.run(tensors)
  if (output.admission.length !== messages.length) {
    throw new Error(`expected what \`${model.name}\` holds of ${messages.length} messages`)
  }
  const admission = messages.map((message, at) => ({
    message,
    admission: output.admission[at] ?? 'not_a_directive',
  }))
  const text = tokenizer.decode([greatest(output.logits)]) || 'none'
  const admitted = admission.filter((one) => one.admission === 'takes_effect')
  const recorded = await recordAnswer(
    {
      conversation,
      turn: turn.turn,
      text,
      admitted: admitted.map(({ message }) => message),
    },
    { by: { type: 'system', part: 'channel' }, author: 'system' },
    env,
  )
  if (!recorded.ok) return recorded
  const { message, audience, settings } = recorded.value
  // Who was removed while the model ran is not answered.
  if (!audience.includes(session.person)) return refuse({ reason: 'unknown_conversation' })
  return ok({ ...turn, settings, messages: [], answer: { message, text, audience, admission } })
}

function greatest(logits: Float32Array): number {
  return logits.reduce((best, value, at) => (value > (logits[best] ?? -Infinity) ? at : best), 0)
}
