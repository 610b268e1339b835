/**
 * Whether a conversation is what the log says of it: `verifyConversation`.
 *
 * Each event is compared with the entry that it names, the log is searched for entries that no event
 * stands for, the envelopes of each turn are made again and their digest compared, and so is for whom each
 * answer is. That the entries are those of a tree that was signed is for `behalf log verify`.
 */

import { delegationTree, entriesOfDelegations, type PlacedEntry } from '../../audit/queries.ts'
import type { Entry } from '../../audit/entry.ts'
import { canonicalJson } from '../../base/canonical-json.ts'
import type { PersonId } from '../../people/person.ts'
import type { Tx } from '../../store/store.ts'
import { audienceOf } from './audience.ts'
import type { ConversationEvent, EventOf, Participant, TurnId } from './conversation.ts'
import { envelopesDigest, segmentsFor } from './envelopes.ts'
import { entryOf, kindsAltered } from './event-store.ts'
import { actionOf, saidOfResult } from './result.ts'
import { type Ended, endedUnder, Returned } from './returned.ts'
import { messagesBefore, type Transcript, turnOf } from './transcript.ts'

/** What was found of one turn. */
export interface VerifiedTurn {
  readonly turn: TurnId
  /** The index of its entry. */
  readonly entry: number
  readonly asker: Participant
  readonly through: EventOf<'turn'>['through']
  readonly segments: number
  /** What the entry says, and what the record yields. */
  readonly envelopes: string
  readonly recomputed: string
}

/** What was found. */
export interface Verification {
  readonly events: number
  readonly turns: readonly VerifiedTurn[]
  /** Contents that were erased: who said them stands, what they said is gone. */
  readonly erased: number
  /** What does not hold, as sentences; empty when all does. */
  readonly faults: readonly string[]
}

/** Compares a conversation, read in `tx`, with the log. A content that was altered is thrown when read. */
export async function verifyConversation(
  tx: Tx,
  transcript: Transcript,
  { issuer }: { readonly issuer: string },
): Promise<Verification> {
  const { conversation, events, contents } = transcript
  const entries = await entriesOf(tx, conversation)
  const faults = events.flatMap((event, at) => faultsOf(event, at, transcript, entries))
  // Above all others stands whom the row names: whoever opened it, by the log.
  if (events[0]?.kind !== 'opened' || events[0].author !== conversation.owner)
    faults.push(`\`${conversation.owner}\` is named as its owner and did not open it`)
  for (const seq of await kindsAltered(tx, conversation.id))
    faults.push(`event ${seq} is kept as another kind than it is`)
  const told = new Set(events.map(({ entry }) => entry))
  for (const { index, entry } of entries.values()) {
    if (conversationOf(entry) === conversation.id && !told.has(index))
      faults.push(`entry ${index} of the log stands for no event`)
  }
  const turns = events.flatMap((event) => (event.kind === 'turn' ? [event] : []))
  const verified: VerifiedTurn[] = []
  for (const turn of turns) {
    // Of a full conversation it takes seconds: whoever asks for something else is answered meanwhile.
    await giveWay()
    verified.push(verifiedTurn(turn, transcript, issuer))
  }
  for (const { turn, envelopes, recomputed } of verified) {
    if (envelopes !== recomputed)
      faults.push(`\`${turn}\` was told other envelopes than the record yields`)
  }
  faults.push(...(await answerFaults(tx, transcript, issuer)))
  const messages = messagesBefore({ events }).length
  return { events: events.length, turns: verified, erased: messages - contents.size, faults }
}

/** Lets others go first who wait for the event loop. */
async function giveWay(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

function verifiedTurn(
  event: EventOf<'turn'>,
  transcript: Transcript,
  issuer: string,
): VerifiedTurn {
  const { turn, entry, through, envelopes, seq } = event
  const asker = event.author as Participant
  const segments = segmentsFor(asker, transcript, { at: seq, through, issuer })
  const recomputed = envelopesDigest(segments)
  return { turn, entry, asker, through, envelopes, recomputed, segments: segments.length }
}

/** Answers for somebody who may not know all that they may hold; one for fewer than may harms nobody. */
async function answerFaults(
  tx: Tx,
  transcript: Transcript,
  issuer: string,
): Promise<readonly string[]> {
  const answers = transcript.events.filter((event) => event.kind === 'answered')
  const from = transcript.events.find((event) => event.kind === 'turn')?.entry
  const to = answers.at(-1)?.entry
  if (from === undefined || to === undefined) return []
  // Once for all: turns that wait side by side have the same calls.
  const tree = await delegationTree(tx, transcript.conversation.delegation)
  const ended = await endedUnder(tx, tree, { from, to })
  const faults: string[] = []
  for (const answer of answers) {
    await giveWay()
    faults.push(...audienceFaults(answer, ended, transcript, issuer))
  }
  return faults
}

function audienceFaults(
  { turn: id, seq, entry, audience }: EventOf<'answered'>,
  ended: readonly Ended[],
  transcript: Transcript,
  issuer: string,
): readonly string[] {
  const turn = turnOf(id, transcript)
  if (turn === undefined || turn.seq > seq) return [`event ${seq} answers no turn before it`]
  const returned = new Returned(turn.entry)
  for (const call of ended) {
    if (call.index > turn.entry && call.index < entry) returned.take(call)
  }
  const answering = { at: seq, ...(turn.through !== 'channel' && { returned }), issuer }
  // INVARIANT (entitled answers)
  const may = audienceOf(turn, transcript, answering)
  return audience
    .filter((each) => !may.includes(each))
    .map((each) => `the answer to \`${id}\` is for \`${each}\`, who may not know all of it`)
}

function faultsOf(
  event: ConversationEvent,
  at: number,
  { conversation }: Transcript,
  entries: ReadonlyMap<number, PlacedEntry>,
): string[] {
  const found: string[] = []
  if (event.seq !== at) found.push(`expected event ${at}, got ${event.seq}`)
  const entry = entries.get(event.entry)?.entry
  if (event.kind === 'result') return [...found, ...resultFaults(event, at, conversation, entries)]
  if (entry === undefined) return [...found, `event ${at} names an entry that says nothing of it`]
  const { by } = entry
  const proven = by.type === 'person' ? by.person : by.type === 'agent' ? by.agent : 'system'
  // INVARIANT (immutable author)
  if (proven !== event.author) found.push(`event ${at} names another author than its entry`)
  const said = canonicalJson(entryOf(event, conversation, by))
  if (said !== canonicalJson(entry)) found.push(`event ${at} says something else than its entry`)
  return found
}

/** Of a result the outcome of its call tells, and the entry by which that call was let out. */
function resultFaults(
  event: EventOf<'result'>,
  at: number,
  { id, delegation }: Transcript['conversation'],
  entries: ReadonlyMap<number, PlacedEntry>,
): readonly string[] {
  const outcome = entries.get(event.entry)?.entry
  const intended = entries.get(event.intended)?.entry
  if (outcome?.kind !== 'call_outcome' || intended?.kind !== 'call_intended')
    return [`event ${at} names an entry that says nothing of it`]
  // INVARIANT (immutable author)
  const found =
    intended.server === event.author ? [] : [`event ${at} names another author than its entry`]
  const { seq: _, entry: _entry, author: _author, time, ...facts } = event
  const said: typeof facts & { time: number } = {
    kind: 'result',
    message: event.message,
    call: outcome.call,
    intended: outcome.intended,
    server: intended.serverName ?? '',
    action: actionOf(intended.action),
    // INVARIANT (entitled answers)
    audience: (intended.facts?.people ?? []).map(({ person }) => person as PersonId),
    content: event.content,
    time: outcome.time,
  }
  const named = { conversation: id, ...saidOfResult(event) }
  const isSame =
    canonicalJson(said) === canonicalJson({ ...facts, time }) &&
    canonicalJson(outcome.message ?? null) === canonicalJson(named) &&
    outcome.delegation === delegation &&
    intended.delegation === delegation &&
    intended.call === outcome.call
  return isSame ? found : [...found, `event ${at} says something else than its entry`]
}

const PAGE = 1_000

/** The conversation that an entry says something of. */
function conversationOf(entry: Entry): string | undefined {
  if (entry.kind === 'call_outcome') return entry.message?.conversation
  return 'conversation' in entry ? entry.conversation : undefined
}

/** The entries of a conversation, by their indexes, with the calls that were made under its delegation. */
async function entriesOf(
  tx: Tx,
  { id, delegation }: Transcript['conversation'],
): Promise<ReadonlyMap<number, PlacedEntry>> {
  const found = new Map<number, PlacedEntry>()
  for (let from = 0; ;) {
    const page = await entriesOfDelegations(tx, [delegation], { from, limit: PAGE })
    for (const placed of page) {
      const { entry } = placed
      if (entry.kind === 'call_intended' || conversationOf(entry) === id)
        found.set(placed.index, placed)
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return found
    from = last.index + 1
  }
}
