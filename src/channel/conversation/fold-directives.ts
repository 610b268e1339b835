/**
 * Which directives take effect: decided here, from the record, and by nobody's words.
 *
 * Call `foldDirectives`. A directive is a part of a message that says so by its form, or a text that a
 * model admitted as one (`textDirective`); a quotation or a document never is. For everybody, the highest
 * authority decides, and of equal ones the latest. What somebody settles for themselves is theirs alone.
 */

import {
  AUTHORITY,
  type Author,
  DIRECTS_ALL,
  type MessageId,
  type Part,
  type Participant,
  settingKey,
  settingValue,
} from './conversation.ts'
import { authorityOf, type Message, messagesBefore, type Transcript } from './transcript.ts'

/** A directive, and who gave it: known from the record. */
export interface Directive {
  readonly message: MessageId
  readonly seq: number
  readonly author: Author
  /** The person for whom an agent gave it. */
  readonly onBehalfOf?: Author
  readonly scope: 'all' | 'mine'
  readonly key: string
  readonly value: string
  /** An ordinal of `AUTHORITY`, as it counts now. */
  readonly authority: number
}

/** What became of a directive. */
export type Outcome =
  | 'in_effect'
  /** Its author, or one of the same authority, said otherwise later. */
  | 'superseded'
  /** One of higher authority says otherwise. */
  | 'outranked'
  /** Its author may not direct others, or no longer takes part. */
  | 'not_entitled'

/** A directive with what became of it. */
export type Folded = Directive & { readonly outcome: Outcome }

/** Every directive before the event `at`, in order, with what became of it. */
export function foldDirectives(transcript: Transcript, at = Infinity): readonly Folded[] {
  const all = directivesBefore(transcript, at)
  // What is somebody's own, a guest settles too; who was let go has no authority, nor when they come back.
  const isEntitled = (one: Directive): boolean =>
    one.authority >= (one.scope === 'all' ? DIRECTS_ALL : AUTHORITY.guest)
  const standing = new Map<string, Directive>()
  for (const one of all.filter(isEntitled)) {
    const place = placeOf(one)
    const before = standing.get(place)
    if (before === undefined || one.authority >= before.authority) standing.set(place, one)
  }
  return all.map((one) => ({ ...one, outcome: outcomeOf(one, standing, isEntitled(one)) }))
}

/** The setting of a key for everybody, and the one that somebody made for themselves. */
export function settingsFor(viewer: Participant, folded: readonly Folded[]): readonly Folded[] {
  return folded.filter(
    (one) => one.outcome === 'in_effect' && (one.scope === 'all' || holderOf(one) === viewer),
  )
}

/**
 * The directive that a text would be, read by its form alone: `set <key> <value>` or `my <key> <value>`,
 * and nothing else in it. It counts only when a model admitted the message.
 */
export function textDirective(
  text: string,
): Pick<Directive, 'scope' | 'key' | 'value'> | undefined {
  const [, word, key = '', value = ''] = /^(set|my) (\S+) (\S.*)$/u.exec(text.trim()) ?? []
  if (word === undefined) return undefined
  if (!settingKey.safeParse(key).success || !settingValue.safeParse(value).success) return undefined
  return { scope: word === 'set' ? 'all' : 'mine', key, value }
}

/** Whose private setting it is: the person behind an agent. */
function holderOf({ author, onBehalfOf }: Directive): Author {
  return onBehalfOf ?? author
}

/** A private setting is its author's own: nobody else's can take its place. */
function placeOf(one: Directive): string {
  return one.scope === 'all' ? `all ${one.key}` : `${holderOf(one)} ${one.key}`
}

function outcomeOf(
  one: Directive,
  standing: ReadonlyMap<string, Directive>,
  isEntitled: boolean,
): Outcome {
  if (!isEntitled) return 'not_entitled'
  const winner = standing.get(placeOf(one))
  if (winner === one) return 'in_effect'
  return winner !== undefined && winner.authority > one.authority ? 'outranked' : 'superseded'
}

function directivesBefore(transcript: Transcript, at: number): Directive[] {
  const admitted = new Set(
    transcript.events.flatMap((event) =>
      event.kind === 'answered' && event.seq < at ? event.admitted : [],
    ),
  )
  return messagesBefore(transcript, at).flatMap((message) => {
    // What the agent answers directs nobody: it repeats what others said.
    if (message.kind !== 'said') return []
    const parts = transcript.contents.get(message.message)?.parts ?? []
    const said = parts.flatMap((part) => directiveIn(part, admitted.has(message.message)))
    if (said.length === 0) return []
    const common = {
      message: message.message,
      seq: message.seq,
      author: message.author,
      ...(message.onBehalfOf !== undefined && { onBehalfOf: message.onBehalfOf }),
      authority: authorityOf(message, transcript, at),
    }
    return said
      .map((one) => ({ ...common, ...one }))
      .filter((one) => isKnownToThose(one, message.audience))
  })
}

/**
 * INVARIANT (entitled answers): whoever is told a setting may know of the message that it stands in. A text
 * that was said to some settles nothing for everybody, whatever a model admits.
 */
function isKnownToThose(one: Directive, audience: Message['audience']): boolean {
  if (audience === undefined) return true
  return one.scope === 'mine' && audience.includes(holderOf(one) as Participant)
}

function directiveIn(
  part: Part,
  isAdmitted: boolean,
): readonly Pick<Directive, 'scope' | 'key' | 'value'>[] {
  if (part.kind === 'directive') {
    const { scope, key, value } = part
    return [{ scope, key, value }]
  }
  if (part.kind !== 'utterance' || !isAdmitted) return []
  const read = textDirective(part.text)
  return read === undefined ? [] : [read]
}
