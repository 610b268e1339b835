/**
 * A turn as the agent of the conversation gets it: `waitingTurns`, `fetchTurn`, `answerTurn`.
 *
 * The agent is known by its own token; the conversation is that of the token's delegation, so there is no
 * identifier of another's by which it could ask for more. What it is given is made again from the record as it
 * stood at the turn, and is given only if it is what the turn's entry says by digest.
 *
 * INVARIANT (entitled answers): a turn of somebody who was let go since is neither given nor answered.
 */

import { entriesBetween } from '../../audit/queries.ts'
import type { Digest } from '../../base/bytes.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import type { AgentId } from '../../identity/agent.ts'
import type { PersonId } from '../../people/person.ts'
import type { Tx } from '../../store/store.ts'
import type { ChannelTensors, PrincipalModel } from '../principal-model.ts'
import { type RecordedAnswer, recordAnswer, type Standing } from './answer.ts'
import { compileMessages, type NeutralMessage } from './compile-messages.ts'
import { compileTensors } from './compile-tensors.ts'
import type {
  Author,
  Conversation,
  ConversationId,
  EventOf,
  MessageId,
  Participant,
  TurnId,
} from './conversation.ts'
import { keyAt } from './conversation-key.ts'
import { type Envelope, envelopesDigest, type ModelSegment, segmentsFor } from './envelopes.ts'
import { conversationUnder } from './event-store.ts'
import { type Folded, foldDirectives, settingsFor } from './fold-directives.ts'
import { namesOf, principalsOf } from './names.ts'
import { type ConversationEnv, inForce, isActive } from './speaking.ts'
import { loadEvents, membershipAt, type Transcript, turnOf, withContents } from './transcript.ts'

/** The agent that acts under a delegation, by its token. */
export interface TurnAgent {
  readonly agent: AgentId
  readonly delegation: DelegationId
  readonly person: PersonId
}

/** A turn that waits for the agent's answer. */
export interface WaitingTurn {
  readonly turn: TurnId
  readonly question: MessageId
  readonly asker: Participant
  /** Milliseconds since the Unix epoch. */
  readonly time: number
}

/** What the agent's model is told. */
export interface AgentTurn extends WaitingTurn {
  readonly conversation: ConversationId
  /** The index of the entry that holds `digest`. */
  readonly entry: number
  readonly digest: Digest
  /** Who said each of the segments, in order: what `digest` is of. */
  readonly envelopes: readonly Envelope[]
  /** Whose words may direct what the agent does next: each needs the right as well. */
  readonly directing: readonly Author[]
  /** What is settled for whoever asks, and by whom. */
  readonly settings: readonly Folded[]
  /** For a model without the channel. */
  readonly messages: readonly NeutralMessage[]
  /** For one that has it, where it was asked for. */
  readonly tensors?: TurnTensors
}

/** The input of a model with the channel, made by the tokenizer of the one that is named. */
export interface TurnTensors extends ChannelTensors {
  readonly model: { readonly name: string; readonly digest: string }
  /** Which message ends at each of `messageEnds`. */
  readonly messages: readonly MessageId[]
  /** The words that the ids of this input stand for. */
  readonly words: ReadonlyMap<number, string>
}

/** As many turns are listed; who waits behind them is seen when they are answered. */
const MOST_WAITING = 100

/** The turns of the agent's conversation that nobody has answered, oldest first. */
export async function waitingTurns(
  agent: TurnAgent,
  env: ConversationEnv,
): Promise<
  Result<{ readonly conversation: ConversationId; readonly turns: readonly WaitingTurn[] }>
> {
  return await env.store.snapshot(async (tx) => {
    const found = await conversationOf(tx, agent)
    if (!found.ok) return found
    const transcript = await loadEvents(tx, found.value)
    const waiting = transcript.events.filter(
      (event): event is EventOf<'turn'> => event.kind === 'turn' && waits(event, transcript),
    )
    const turns = waiting.slice(0, MOST_WAITING).map(summaryOf)
    return ok({ conversation: found.value.id, turns })
  })
}

/** One turn with everything that the agent's model is told; with tensors for `model` where it is given. */
export async function fetchTurn(
  id: TurnId,
  agent: TurnAgent,
  env: ConversationEnv & { readonly model?: PrincipalModel },
): Promise<Result<AgentTurn>> {
  return await env.store.snapshot(async (tx): Promise<Result<AgentTurn>> => {
    const found = await conversationOf(tx, agent)
    if (!found.ok) return found
    const events = await loadEvents(tx, found.value)
    const turn = turnOf(id, events)
    if (turn === undefined || !waits(turn, events)) return refuse({ reason: 'unknown_turn' })
    const transcript = await withContents(tx, events, env.vault)
    return await toldIn(tx, turn, transcript, env)
  })
}

/** Answers a turn as the agent. */
export async function answerTurn(
  { turn, text }: { readonly turn: TurnId; readonly text: string },
  { agent, delegation, person }: TurnAgent,
  env: ConversationEnv,
): Promise<Result<RecordedAnswer>> {
  const found = await env.store.snapshot((tx) => conversationUnder(tx, delegation))
  if (found === undefined) return refuse({ reason: 'unknown_conversation' })
  return await recordAnswer(
    { conversation: found.id, turn, text, admitted: [] },
    { by: { type: 'agent', agent, delegation, person }, author: agent },
    env,
    async (tx, asked, transcript) => {
      const stands = await standingOf(tx, { agent, delegation })
      if (!stands.ok) return stands
      return isAgents(asked, transcript) ? stands : refuse({ reason: 'unknown_turn' })
    },
  )
}

/** The conversation in which an agent acts by its token, while what it acts by stands. */
async function conversationOf(
  tx: Tx,
  agent: Pick<TurnAgent, 'agent' | 'delegation'>,
): Promise<Result<Conversation>> {
  const conversation = await conversationUnder(tx, agent.delegation)
  if (conversation === undefined) return refuse({ reason: 'unknown_conversation' })
  const stands = await standingOf(tx, agent)
  return stands.ok ? ok(conversation) : stands
}

async function standingOf(
  tx: Tx,
  { agent, delegation }: Pick<TurnAgent, 'agent' | 'delegation'>,
): Promise<Result<Standing>> {
  const stands = await inForce(tx, delegation)
  if (!stands.ok) return stands
  if (!(await isActive(tx, agent))) return refuse({ reason: 'agent_not_active' })
  return ok({ ...stands.value, relied: [...(stands.value.relied ?? []), agent] })
}

/** Whether a turn is the agent's to answer: one that a model served here was asked is that model's. */
function isAgents(turn: EventOf<'turn'>, transcript: Transcript): boolean {
  const asker = membershipAt(turn.author, transcript)
  // Who came back since is not who asked.
  return turn.through === 'messages' && asker !== undefined && asker.since <= turn.seq
}

function waits(turn: EventOf<'turn'>, transcript: Transcript): boolean {
  return (
    isAgents(turn, transcript) &&
    !transcript.events.some((event) => event.kind === 'answered' && event.turn === turn.turn)
  )
}

function summaryOf({ turn, question, author, time }: EventOf<'turn'>): WaitingTurn {
  return { turn, question, asker: author as Participant, time }
}

async function toldIn(
  tx: Tx,
  turn: EventOf<'turn'>,
  transcript: Transcript,
  env: ConversationEnv & { readonly model?: PrincipalModel },
): Promise<Result<AgentTurn>> {
  const { issuer, model } = env
  const { id } = transcript.conversation
  const asker = turn.author as Participant
  const segments = segmentsFor(asker, transcript, { at: turn.seq, through: turn.through, issuer })
  const digest = envelopesDigest(segments)
  const recorded = await recordedDigest(tx, turn)
  if (digest !== recorded)
    throw new Error(`expected the envelopes of \`${turn.turn}\` to be \`${recorded}\``)
  const settings = settingsFor(asker, foldDirectives(transcript, turn.seq))
  const key = await keyAt(tx, id, turn.epoch, env)
  const names = await namesOf(tx, principalsOf(segments), transcript)
  const tensors =
    model === undefined ? ok(undefined) : tensorsOf(segments, model, { key, names, turn })
  if (!tensors.ok) return tensors
  return ok({
    ...summaryOf(turn),
    conversation: id,
    entry: turn.entry,
    digest,
    envelopes: segments.map(({ envelope }) => envelope),
    directing: turn.directing,
    settings,
    messages: compileMessages(segments, settings, { key, turn: turn.turn, names, issuer }),
    ...(tensors.value !== undefined && { tensors: tensors.value }),
  })
}

/** What the log says that the turn was told: a row beside it would say what it is made to say. */
async function recordedDigest(
  tx: Tx,
  { turn, entry }: EventOf<'turn'>,
): Promise<string | undefined> {
  const [placed] = await entriesBetween(tx, { from: entry, limit: 1 })
  const said = placed?.entry
  return said?.kind === 'conversation_turn' && said.turn === turn ? said.envelopes : undefined
}

function tensorsOf(
  segments: readonly ModelSegment[],
  model: PrincipalModel,
  env: {
    readonly key: Uint8Array
    readonly names: Parameters<typeof compileTensors>[1]['names']
    readonly turn: EventOf<'turn'>
  },
): Result<TurnTensors> {
  const tokenizer = model.tokenizer()
  const { tensors, messages } = compileTensors(segments, { ...env, tokenizer })
  if (tensors.inputIds.length > model.maxTokens) return refuse({ reason: 'conversation_too_long' })
  const question = segments.findLast(({ envelope }) => envelope.message === env.turn.question)
  // Only now are the conversation's own words known.
  if (!tokenizer.reads(question?.text ?? '')) return refuse({ reason: 'bad_question' })
  const ids = new Set(tensors.inputIds)
  return ok({
    ...tensors,
    model: { name: model.name, digest: model.digest },
    messages,
    words: new Map([...ids].map((each) => [each, tokenizer.decode([each])])),
  })
}
