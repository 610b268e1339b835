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
import type { Session } from '../../people/session.ts'
import type { Tx } from '../../store/store.ts'
import {
  type Admission,
  type ChannelOutput,
  type ChannelTensors,
  type ChannelTokenizer,
  PRINCIPAL_DIMENSIONS,
  type PrincipalModel,
} from '../principal-model.ts'
import { recordAnswer } from './answer.ts'
import { compileMessages, type NeutralMessage } from './compile-messages.ts'
import { type Compiled, compileTensors } from './compile-tensors.ts'
import type {
  Author,
  ConversationEvent,
  Facts,
  MessageId,
  Participant,
  TurnId,
} from './conversation.ts'
import { keyFor } from './conversation-key.ts'
import { directorsOf } from './directing.ts'
import { envelopesDigest, type ModelSegment, segmentsFor } from './envelopes.ts'
import { type Folded, foldDirectives, settingsFor } from './fold-directives.ts'
import { namesOf, principalsOf } from './names.ts'
import { checkMessage, saidFacts } from './say.ts'
import { attend, checkRoom, type ConversationEnv, inForce, type Work } from './speaking.ts'
import type { Transcript } from './transcript.ts'

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
  const place = env.model?.take()
  // Before anything is recorded: a question that nobody has time for was not asked.
  if (env.model !== undefined && place === undefined) {
    const message = `expected \`${env.model.name}\` to have time: ask again`
    return refuse({ reason: 'model_busy', message })
  }
  try {
    return await askNow(request, session, env)
  } finally {
    place?.leave()
  }
}

async function askNow(request: AskRequest, session: Session, env: AskEnv): Promise<Result<Turn>> {
  const speaker = { type: 'person', session } as const
  const parts = [{ kind: 'utterance', text: request.question }] as const
  const added = await attend(request.conversation, speaker, env, async (tx, attending) => {
    const room = checkRoom(attending)
    if (!room.ok) return room
    const transcript = await attending.withContents()
    const stands = await inForce(tx, transcript.conversation.delegation)
    if (!stands.ok) return stands
    const checked = checkMessage({ ...request, parts }, attending)
    if (!checked.ok) return checked
    const said = saidFacts({ ...request, parts }, { speaker, attending }, env)
    const question: ConversationEvent = {
      ...said.facts,
      seq: attending.next,
      entry: 0,
      author: attending.speaker,
      time: env.clock.nowMilliseconds(),
    }
    const asked = {
      ...transcript,
      events: [...transcript.events, question],
      contents: new Map(transcript.contents).set(said.facts.message, { parts: [...parts] }),
    }
    const begun = await begin(tx, { said, transcript: asked }, attending.speaker, env)
    return begun.ok ? ok({ ...stands.value, ...begun.value }) : begun
  })
  if (!added.ok) return added
  const { value, events } = added.value
  const { running, ...begun } = value
  const turn = { ...begun, entry: events.at(-1)?.entry ?? 0 }
  const { model } = env
  if (model === undefined || running === undefined) return ok(turn)
  const { conversation } = request
  return await answered(turn, running, { conversation, session }, { ...env, model })
}

/** What a model is to run on. */
interface Running {
  readonly compiled: Compiled
  /** The one that wrote it: it gives words back that it was given. */
  readonly tokenizer: ChannelTokenizer
}

type Begun = Omit<Turn, 'entry'> & { readonly running?: Running }

/** Works out question and turn: everything that the model is told. */
async function begin(
  tx: Tx,
  {
    said,
    transcript,
  }: { readonly said: ReturnType<typeof saidFacts>; readonly transcript: Transcript },
  speaker: Participant,
  env: AskEnv,
): Promise<Result<Work<Begun>>> {
  const { conversation } = transcript
  const { issuer, model } = env
  const tokenizer = model?.tokenizer()
  const through = model === undefined ? 'messages' : 'channel'
  const segments = segmentsFor(speaker, transcript, { through, issuer })
  const settings = settingsFor(speaker, foldDirectives(transcript))
  const principals = principalsOf(segments)
  const { key, epoch, rekeyed } = await keyFor(tx, conversation.id, principals, env)
  const names = await namesOf(tx, principals, transcript)
  const compiled =
    tokenizer === undefined ? undefined : compileTensors(segments, { key, tokenizer, names })
  if (model !== undefined && (compiled?.tensors.inputIds.length ?? 0) > model.maxTokens)
    return refuse({ reason: 'conversation_too_long' })
  const { message } = said.facts
  const question = segments.findLast(({ envelope }) => envelope.message === message)
  // Only now are the conversation's own words known. A question that was not read has no answer.
  if (tokenizer?.reads(question?.text ?? '') === false)
    return refuse({
      reason: 'bad_question',
      message: `expected a question in the words of \`${model?.name}\`, such as \`get style\``,
    })
  const turn: TurnId = newId('trn', env)
  const envelopes = envelopesDigest(segments)
  const directing = directorsOf(speaker, { segments, settings, through })
  const facts: Facts = {
    kind: 'turn',
    turn,
    question: message,
    through,
    ...(model !== undefined && { model: { name: model.name, digest: model.digest } }),
    epoch,
    envelopes,
    segments: segments.length,
    directing: [...directing],
  }
  return ok({
    planned: {
      facts: [
        said.facts,
        ...(rekeyed === undefined ? [] : [{ kind: 'rekeyed' as const, epoch }]),
        facts,
      ],
      values: [said.value],
      ...(rekeyed !== undefined && { rows: [rekeyed] }),
    },
    value: {
      ...(compiled !== undefined &&
        tokenizer !== undefined && { running: { compiled, tokenizer } }),
      turn,
      question: message,
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
  { compiled: { tensors, messages }, tokenizer }: Running,
  { conversation, session }: { readonly conversation: string; readonly session: Session },
  env: AskEnv & { readonly model: PrincipalModel },
): Promise<Result<Turn>> {
  const { model } = env
  const output = await model.run(tensors)
  if (output.admission.length !== messages.length) {
    throw new Error(`expected what \`${model.name}\` holds of ${messages.length} messages`)
  }
  const admission = messages.map((message, at) => ({
    message,
    admission: output.admission[at] ?? 'not_a_directive',
  }))
  const text = tokenizer.decode(await saidOf(output, { model, tensors, tokenizer })) || 'none'
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

/** The tokens of an answer: of a name there are two, and the model says the second once the first is there. */
async function saidOf(
  { logits }: ChannelOutput,
  {
    model,
    tensors,
    tokenizer,
  }: {
    readonly model: PrincipalModel
    readonly tensors: ChannelTensors
    readonly tokenizer: ChannelTokenizer
  },
): Promise<readonly number[]> {
  const first = greatest(logits)
  if (tokenizer.isWhole([first]) || tensors.inputIds.length >= model.maxTokens) return [first]
  return [first, greatest((await model.run(continued(tensors, first))).logits)]
}

/** The input with one more token, by whoever the last one is by. */
function continued(tensors: ChannelTensors, token: number): ChannelTensors {
  const { inputIds, authority, kind, principalVectors } = tensors
  const vectors = new Float32Array(principalVectors.length + PRINCIPAL_DIMENSIONS)
  vectors.set(principalVectors)
  vectors.set(principalVectors.subarray(-PRINCIPAL_DIMENSIONS), principalVectors.length)
  return {
    ...tensors,
    inputIds: [...inputIds, token],
    authority: [...authority, ...authority.slice(-1)],
    kind: [...kind, ...kind.slice(-1)],
    principalVectors: vectors,
  }
}

function greatest(logits: Float32Array): number {
  return logits.reduce((best, value, at) => (value > (logits[best] ?? -Infinity) ? at : best), 0)
}
