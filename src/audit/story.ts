/**
 * The story of a delegation: its entries told in order, for people.
 *
 * Call `tellStory` with the entries of one delegation and of those below it, then `printStory`. It says
 * who delegated what to whom until when, which evidence was read, what was tried and what each
 * constraint said, which warnings stood, who approved and how presence was proven, where nobody was
 * asked for a judgement, and who answers for it. It is pure: whoever doubts it verifies the entries
 * first (`verify.ts`), and gets the same story from them.
 */

import type { Accountable, Entry, EntryOf, Subject, Verdict } from './entry.ts'
import type { SignIn } from './queries.ts'
import {
  allowances,
  answerable,
  instant,
  named,
  namesIn,
  presenceOf,
  printable,
  quoted,
  said,
  who,
  type Names,
  type Opened,
} from './story-words.ts'

/** What a story is told from. */
export interface StoryInput {
  /** In the order of the log. */
  readonly entries: readonly { readonly index: number; readonly entry: Entry }[]
  readonly opened: Opened
  /** How the sessions began in which people acted, where that is known. */
  readonly signIns?: ReadonlyMap<string, SignIn>
  /** Names of people and groups; what the entries name themselves need not be here. */
  readonly names?: Names
  /** The first entry that is left out because the story is too long. */
  readonly cutAt?: number
}

/** What a line is about. */
export type StoryTopic =
  | 'delegated'
  | 'identity'
  | 'stage'
  | 'evidence'
  | 'effect'
  | 'refused'
  | 'warning'
  | 'approval'
  | 'ended'
  | 'cut'
  | 'not_asked'
  | 'answerable'

/** One line of a story. */
export interface StoryLine {
  /** The entry that it is told from; of a summary, the last one. */
  readonly index: number
  /** Milliseconds since the Unix epoch. */
  readonly time: number
  readonly topic: StoryTopic
  readonly text: string
  /** What each constraint said, where one was asked. */
  readonly verdicts?: readonly Verdict[]
  /** The other entries that it is told from. */
  readonly also?: readonly number[]
}

/** The story in order; the last lines sum up where nobody was asked, and who answers. */
export function tellStory(input: StoryInput): StoryLine[] {
  const entries = input.entries.map(({ entry }) => entry)
  const told: Telling = {
    ...input,
    names: namesIn(entries, input.names),
    outcomes: new Map(
      input.entries.flatMap(({ index, entry }) =>
        entry.kind === 'call_outcome' ? [[entry.intended, { index, entry }] as const] : [],
      ),
    ),
  }
  const lines = input.entries.flatMap(({ index, entry }) =>
    linesOf(entry, told, index).map((line) => ({ index, time: entry.time, ...line })),
  )
  const last = input.entries.at(-1)
  if (last === undefined) return lines
  const summary = [
    ...whereCut(input.cutAt),
    ...whoseCodes(told),
    ...notAsked(told),
    ...whoAnswers(told),
  ]
  return [...lines, ...summary.map((l) => ({ index: last.index, time: last.entry.time, ...l }))]
}

/** The story as text, a line each. */
export function printStory(lines: readonly StoryLine[]): string {
  const width = String(lines.reduce((most, line) => Math.max(most, line.index), 0)).length
  return lines
    .map(({ index, time, topic, text }) => {
      const place = String(index).padStart(width)
      return `${place}  ${instant(time)}  ${topic.replaceAll('_', ' ').padEnd(10)}  ${text}\n`
    })
    .join('')
}

/** The sessions in which people did what `entries` say. */
export function sessionsIn(entries: readonly Entry[]): ReadonlySet<string> {
  return new Set(entries.flatMap(({ by }) => (by.type === 'person' ? (by.session ?? []) : [])))
}

/** Every digest whose value the story wants to quote. */
export function quotedIn(entries: readonly Entry[]): { sealed: string; bytes: number }[] {
  return entries.flatMap((entry) => {
    switch (entry.kind) {
      case 'delegation_created':
        return [entry.purpose, entry.details]
      case 'call_intended':
      case 'call_refused':
        return entry.arguments === undefined ? [] : [entry.arguments]
      case 'approval_requested':
        return [entry.shown]
      default:
        return []
    }
  })
}

interface Telling extends StoryInput {
  readonly names: Names
  readonly outcomes: ReadonlyMap<number, { index: number; entry: EntryOf<'call_outcome'> }>
}

type Line = Omit<StoryLine, 'index' | 'time'>

function linesOf(entry: Entry, told: Telling, index: number): Line[] {
  const { names } = told
  const by = who(entry.by, names)
  switch (entry.kind) {
    case 'delegation_created':
      return delegated(entry, told)
    case 'delegation_claimed':
      return [tell('identity', `${named(entry.agent, names)} took up ${entry.delegation}`)]
    case 'connection_created':
      return [tell('identity', connectionWords(entry, told))]
    case 'connection_ended':
      return [tell('ended', `${by} ended ${entry.connection}`)]
    case 'token_issued':
      return [tell('identity', tokenWords(entry, names))]
    case 'token_refused':
      return [
        tell(
          'refused',
          `a token was refused: ${printable(entry.reason)}${entry.more === undefined ? '' : `, and ${entry.more} more before`}`,
        ),
      ]
    case 'operation_refused':
      return [tell('refused', `${by} was refused ${entry.operation}: ${printable(entry.reason)}`)]
    case 'stage_moved':
      return [tell('stage', `${by} moved the stage from ${entry.from ?? 'none'} to ${entry.to}`)]
    case 'call_intended':
      return made(entry, told, index)
    case 'call_refused':
      return [refused(entry, told)]
    case 'approval_requested':
      return [asked(entry, told)]
    case 'approval_decided':
      return [
        tell('approval', `${by} ${entry.decision} ${entry.approval}: ${presenceOf(entry.by)}`),
      ]
    case 'approval_voided':
      return [tell('approval', `${entry.approval} was voided: ${printable(entry.reason)}`)]
    case 'agent_suspended':
      return [tell('ended', suspensionWords(entry, names))]
    case 'conversation_turn':
      return [tell('identity', askedWords(entry, names))]
    case 'delegation_suspended':
      return [tell('ended', `${by} suspended ${entry.delegation}: ${printable(entry.reason)}`)]
    case 'delegation_resumed':
      return [tell('stage', `${by} resumed ${entry.delegation}`)]
    case 'delegation_completed':
      return [tell('ended', `${by} completed ${entry.delegation}`)]
    case 'delegation_revoked':
      return [tell('ended', `${by} revoked ${entry.delegation}${because(entry.reason)}`)]
    default:
      // What is left either is told with another entry (an outcome with its call) or is not the story of
      // a delegation.
      return []
  }
}

/** Who delegated what to whom until when; and a line for each thing that it allows. */
function delegated(entry: EntryOf<'delegation_created'>, told: Telling): Line[] {
  const { names, opened } = told
  const { agent, archetype } = entry.delegate
  const isOwn = entry.by.type === 'person' && entry.by.person === entry.person
  const stages = entry.stages.map(printable).join(', ')
  const words = [
    `${who(entry.by, names)} delegated ${quoted(entry.purpose, opened)}`,
    ...(isOwn ? [] : [`for ${named(entry.person, names)}`]),
    agent === undefined
      ? `to an agent of archetype ${printable(archetype)}`
      : `to ${named(agent, names)}`,
    ...(entry.parent === undefined ? [] : [`out of ${entry.parent}`]),
    `until ${instant(entry.expiresAt * 1_000)}`,
    ...(stages === '' ? [] : [`in stages ${stages}`]),
    `as ${entry.delegation} (${presenceOf(entry.by)})`,
  ]
  const allowed = allowances(entry.details, opened, names) ?? [quoted(entry.details, opened)]
  return [
    tell('delegated', words.join(' ')),
    ...proposalLines(entry),
    ...allowed.map((what) => tell('delegated', `${entry.delegation} allows ${what}`)),
  ]
}

/** By which way the scope was proposed that the person confirmed; none where they wrote it themselves. */
function proposalLines({ delegation, proposed }: EntryOf<'delegation_created'>): Line[] {
  if (proposed === undefined) return []
  const by =
    proposed.by === 'words'
      ? 'the words'
      : proposed.by === 'template'
        ? `the template ${printable(proposed.template.name)}`
        : `the model ${printable(proposed.model)}, which chose the template ${printable(proposed.template.name)}`
  return [tell('delegated', `${delegation} was proposed by ${by}, and confirmed`)]
}

function suspensionWords(entry: EntryOf<'agent_suspended'>, names: Names): string {
  const { agent, reason, accountable } = entry
  const told = accountable === undefined ? '' : `; ${answerable(accountable)}, answers for it`
  return `${who(entry.by, names)} suspended ${named(agent, names)}: ${printable(reason)}${told}`
}

function connectionWords(entry: EntryOf<'connection_created'>, { names }: Telling): string {
  const client = `${printable(entry.client)} as ${named(entry.agent, names)}`
  return `${who(entry.by, names)} connected ${client}, whose windows work under ${entry.delegation}, by ${entry.connection}`
}

/** Who asked, and whose words direct the agent from here on. */
function askedWords(entry: EntryOf<'conversation_turn'>, names: Names): string {
  const directing = entry.directing.map((one) => named(one, names)).join(', ')
  return `${named(entry.author, names)} asked in ${entry.conversation}; what the agent does from here on is directed by ${directing}`
}

function tokenWords(entry: EntryOf<'token_issued'>, names: Names): string {
  const bound = entry.boundBy === 'none' ? 'bound to nothing' : `bound by ${entry.boundBy}`
  const until = instant(entry.expiresAt * 1_000)
  return `${named(entry.agent, names)} got a token for ${printable(entry.audience)}, ${bound}, until ${until}`
}

/** A call that was let through: what it was, what each constraint said, how it ended, what it warned of. */
function made(entry: EntryOf<'call_intended'>, told: Telling, index: number): Line[] {
  const end = told.outcomes.get(index)
  const isEvidence = entry.consequential !== true && isReading(entry, end?.entry)
  const approval = entry.approval === undefined ? '' : `, approved by ${entry.approval}`
  const call: Line = {
    ...tell(
      isEvidence ? 'evidence' : 'effect',
      `${callWords(entry, told)}${approval}: ${outcomeWords(end?.entry)}; ${said(entry.verdicts, told.names)}`,
    ),
    verdicts: entry.verdicts,
    ...(end && { also: [end.index] }),
  }
  const warnings = (end?.entry.warnings ?? []).map((warning) =>
    tell('warning', `${serverOf(entry, told.names)} warned: ${printable(warning)}`),
  )
  return [call, ...warnings]
}

function refused(entry: EntryOf<'call_refused'>, told: Telling): Line {
  const waits = entry.reason === 'approval_required'
  const verb = waits ? 'held for approval by' : 'refused by'
  return {
    ...tell(
      waits ? 'approval' : 'refused',
      `${callWords(entry, told)}: ${verb} ${printable(entry.constraint)} ` +
        `(${printable(entry.reason)}); ${said(entry.verdicts, told.names)}`,
    ),
    verdicts: entry.verdicts,
  }
}

function asked(entry: EntryOf<'approval_requested'>, told: Telling): Line {
  const entitled = named(entry.entitled, told.names)
  const shown = quoted(entry.shown, told.opened)
  const until = instant(entry.expiresAt)
  return tell(
    'approval',
    `${entry.approval} was asked of ${entitled} until ${until}, shown: ${shown}`,
  )
}

type Call = EntryOf<'call_intended' | 'call_refused'>

function callWords(entry: Call, told: Telling): string {
  const stage = entry.stage === null ? '' : ` in stage ${printable(entry.stage)}`
  const given = entry.arguments === undefined ? '' : ` ${quoted(entry.arguments, told.opened)}`
  const chain = entry.agents.map((agent) => named(agent, told.names)).join(' for ')
  return `${chain} tried ${actionOf(entry, told.names)}${given}${stage}`
}

function actionOf(entry: Call, names: Names): string {
  return `${printable(entry.action)} on ${serverOf(entry, names)}`
}

function serverOf(entry: Call, names: Names): string {
  return entry.server === undefined ? 'the gateway' : named(entry.server, names)
}

function outcomeWords(outcome: EntryOf<'call_outcome'> | undefined): string {
  if (outcome === undefined) return 'no outcome is recorded'
  if (outcome.outcome === 'unknown') return 'let through, its outcome is unknown'
  return `let through, ended ${outcome.outcome.replaceAll('_', ' ')}`
}

/** Something was read if its result was shown to the agent and nothing says that it changed anything. */
function isReading(call: Call, outcome: EntryOf<'call_outcome'> | undefined): boolean {
  if (call.action.startsWith('resources/')) return true
  return call.consequential === false && outcome?.segment !== undefined
}

function whereCut(cutAt: number | undefined): Line[] {
  if (cutAt === undefined) return []
  return [tell('cut', `the story goes on from entry ${cutAt}, which is not told here`)]
}

/**
 * By whose code each person came in, who then delegated, moved, approved or ended: whoever issued it knew
 * it, and so could have come in as that person.
 */
function whoseCodes({ signIns = new Map(), names }: Telling): Line[] {
  return [...signIns.values()].map(({ signedIn, code }) => {
    const person = named(signedIn.entry.person, names)
    const issuer = code === undefined ? 'somebody unknown' : who(code.entry.by, names)
    const text = `${person} acted in a session that began with a code issued by ${issuer}`
    return {
      ...tell('identity', text),
      also: [...(code === undefined ? [] : [code.index]), signedIn.index],
    }
  })
}

/** Calls that changed something without any person having been asked about just them. */
function notAsked(told: Telling): Line[] {
  const calls = told.entries.flatMap(({ index, entry }) =>
    entry.kind === 'call_intended' && entry.approval === undefined && mayMatter(entry)
      ? [{ index, words: actionOf(entry, told.names) }]
      : [],
  )
  if (calls.length === 0) return []
  const list = calls.map(({ index, words }) => `${words} (entry ${index})`).join(', ')
  const text = `no person was asked for a judgement before ${list}: the intent let it through`
  return [{ ...tell('not_asked', text), also: calls.map(({ index }) => index) }]
}

/** Entries older than the member `consequential` do not say; then every call of a tool may matter. */
function mayMatter(entry: EntryOf<'call_intended'>): boolean {
  return entry.consequential ?? entry.action.startsWith('tools/call')
}

/** Everybody who answered for an agent during the story, each once. */
function whoAnswers(told: Telling): Line[] {
  const seen = new Map<string, { agent: Subject; accountable: Accountable; entries: number[] }>()
  for (const { index, entry } of told.entries) {
    if (!('accountable' in entry) || entry.accountable === undefined) continue
    const agent = 'agents' in entry ? (entry.agents[0] ?? '') : entry.agent
    const key = `${agent} ${entry.accountable.person} ${entry.accountable.path.at(-1)?.via}`
    const known = seen.get(key) ?? { agent, accountable: entry.accountable, entries: [] }
    seen.set(key, { ...known, entries: [...known.entries, index] })
  }
  return [...seen.values()].map(({ agent, accountable, entries }) => {
    const path = accountable.path
      .map(({ via, subject }) => `${via} ${named(subject, told.names).replace(`${via}:`, '')}`)
      .join(' → ')
    const text = `${answerable(accountable)}, answers for ${named(agent, told.names)} (${path})`
    return { ...tell('answerable', text), also: entries }
  })
}

function because(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${printable(reason)}`
}

function tell(topic: StoryTopic, text: string): Line {
  return { topic, text }
}
