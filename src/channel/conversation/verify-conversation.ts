/**
 * Whether a conversation is what the log says of it: `verifyConversation`.
 *
 * Each event is compared with the entry that it names, the log is searched for entries that no event
 * stands for, and the envelopes of each turn are made again and their digest compared. That the entries
 * are those of a tree that was signed is for `behalf log verify`.
 */

import { entriesOfDelegations, type PlacedEntry } from '../../audit/queries.ts'
import { canonicalJson } from '../../base/canonical-json.ts'
import type { Tx } from '../../store/store.ts'
import type { ConversationEvent, EventOf, Participant, TurnId } from './conversation.ts'
import { envelopesDigest, segmentsFor } from './envelopes.ts'
import { entryOf } from './event-store.ts'
import type { Transcript } from './transcript.ts'

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
  const told = new Set(events.map(({ entry }) => entry))
  for (const { index } of entries.values()) {
    if (!told.has(index)) faults.push(`entry ${index} of the log stands for no event`)
  }
  const turns = events.flatMap((event) => (event.kind === 'turn' ? [event] : []))
  const verified = turns.map((turn) => verifiedTurn(turn, transcript, issuer))
  for (const { turn, envelopes, recomputed } of verified) {
    if (envelopes !== recomputed)
      faults.push(`\`${turn}\` was told other envelopes than the record yields`)
  }
  const messages = events.filter(({ kind }) => kind === 'said' || kind === 'answered').length
  return { events: events.length, turns: verified, erased: messages - contents.size, faults }
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

function faultsOf(
  event: ConversationEvent,
  at: number,
  { conversation }: Transcript,
  entries: ReadonlyMap<number, PlacedEntry>,
): string[] {
  const found: string[] = []
  if (event.seq !== at) found.push(`expected event ${at}, got ${event.seq}`)
  const entry = entries.get(event.entry)?.entry
  if (entry === undefined) return [...found, `event ${at} names an entry that says nothing of it`]
  const { by } = entry
  const proven = by.type === 'person' ? by.person : by.type === 'agent' ? by.agent : 'system'
  // INVARIANT (immutable author)
  if (proven !== event.author) found.push(`event ${at} names another author than its entry`)
  const said = canonicalJson(entryOf(event, conversation, by))
  if (said !== canonicalJson(entry)) found.push(`event ${at} says something else than its entry`)
  return found
}

const PAGE = 1_000

/** The entries of a conversation, by their indexes. */
async function entriesOf(
  tx: Tx,
  { id, delegation }: Transcript['conversation'],
): Promise<ReadonlyMap<number, PlacedEntry>> {
  const found = new Map<number, PlacedEntry>()
  for (let from = 0; ;) {
    const page = await entriesOfDelegations(tx, [delegation], { from, limit: PAGE })
    for (const placed of page) {
      const { entry } = placed
      if ('conversation' in entry && entry.conversation === id) found.set(placed.index, placed)
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return found
    from = last.index + 1
  }
}
