/**
 * From a person's words to a proposed scope: which tools the words ask for, and where those may reach.
 *
 * Call `proposeScope` with the words and the reviewed tools, and nothing else: what is fetched later
 * cannot widen it. The proposal is intent like any other (`details`), with a sentence for each part; the
 * person narrows and confirms it before it is delegated. Its digest says that it was frozen.
 *
 * Three parts: looking up is granted; what the words ask for is granted, to where they say; every other
 * tool of the ceiling needs a yes to each call. What is outside the ceiling is not there.
 */

import { type Digest, digestOfJson } from '../base/bytes.ts'
import type { Sink, SinkKind } from '../mcp/canonical.ts'
import { parametersOf } from '../registry/parameters.ts'
import {
  isRead,
  nounsOfName,
  type OfferedTool,
  singular,
  verbOf,
  wordsOfName,
} from '../registry/propose-review.ts'
import type { ReviewedTool } from '../registry/server.ts'
import type { Approver } from './covers.ts'
import { inPlainWords } from './detail-in-words.ts'
import type { Condition, McpCallDetail } from './intent.ts'
import { isSpecific, thingsFor, verbsFor } from './lexicon.ts'

/** A reviewed tool as a proposal sees it. */
export interface ScopeTool {
  /** The resource URI of its server. */
  readonly location: string
  readonly offered: OfferedTool
  readonly reviewed: ReviewedTool
}

/** What is asked, of what. */
export interface ScopeRequest {
  /** The person's own words. */
  readonly words: string
  /** The ceiling: what this kind of agent may be given at all. */
  readonly tools: readonly ScopeTool[]
  /** Who says yes to what the words do not ask for. */
  readonly approver: Approver
  /** What the archetype's templates make of the words, where one of them is meant. */
  readonly template?: readonly McpCallDetail[]
}

/** A scope that a person can read, narrow and confirm. */
export interface ProposedScope {
  readonly details: readonly McpCallDetail[]
  /** One sentence for each part of `details`, in order. */
  readonly sentences: readonly string[]
  /** Of `details`: whatever is delegated can be compared with what was proposed. */
  readonly digest: Digest
  /** Whether the rules found nothing that is asked for, or left open where something of it goes. */
  readonly isOpen: boolean
}

/** The scope that the rules propose. */
export function proposeScope(request: ScopeRequest): ProposedScope {
  // A template says all that its sentence asks for.
  const clauses = request.template === undefined ? clausesOf(request.words) : []
  const acting = request.tools.filter((tool) => !isLookUp(tool))
  const asked = acting.flatMap((tool) => {
    const said = clauses.filter((clause) => asksFor(clause, tool, acting))
    return said.length === 0 ? [] : [{ tool, said }]
  })
  const isOpen = request.template === undefined && (asked.length === 0 || asked.some(leavesOpen))
  return { ...assembled(request, asked), isOpen }
}

/** Whether a sink of what is asked for may be anything. */
function leavesOpen({ tool, said }: Asked): boolean {
  return Object.values(conditionsFor(tool, said)).some(({ any }) => any === true)
}

interface Asked {
  readonly tool: ScopeTool
  readonly said: readonly Clause[]
}

interface Clause {
  readonly text: string
  /** In lower case, in the order in which they stand. */
  readonly words: readonly string[]
  /** The words of the clause and of those before it that a pronoun may mean. */
  readonly things: ReadonlySet<string>
}

/**
 * A reviewer's word counts: what they classed as reading is looked up, what they did not is not. A look-up
 * that goes wherever a link leads has to be asked for.
 */
function isLookUp({ reviewed, offered }: ScopeTool): boolean {
  const isReading = reviewed.class === 'read' && !reviewed.consequential && isRead(offered)
  return isReading && !reviewed.sinks.some(isLink)
}

/** Whether a tool reads what a link leads to. */
function followsLinks({ reviewed, offered }: ScopeTool): boolean {
  return reviewed.class === 'read' && isRead(offered) && reviewed.sinks.some(isLink)
}

function isLink({ kind }: Sink): boolean {
  return kind === 'url' || kind === 'name'
}

/** Sentences, and parts of an enumeration; each with what pronouns in it may mean. */
function clausesOf(text: string): readonly Clause[] {
  const parts = text
    .split(/(?<=[.!?;:])\s+(?=[\p{Lu}\d"'])|\n+|(?<=\s)\d{1,2}[.)]\s/u)
    .map((part) => part.trim())
    .filter((part) => part !== '' && !ASKS_TO_KNOW.test(part))
  let before: readonly string[] = []
  return parts.map((part) => {
    const words = wordsOf(part)
    const means = words.some((word) => /^(?:it|them|these|those)$/.test(word))
    const things = new Set([...words, ...(means ? before : [])].map(singular))
    // A name with an ending is a file.
    if (/\b[\w-]+\.[a-z]{2,5}\b(?!@)/i.test(part.replaceAll(/\S+@\S+/g, ''))) things.add('file')
    before = words
    return { text: part, words, things }
  })
}

/** A question asks to be told something, and for nothing to be done. */
const ASKS_TO_KNOW =
  /^(?:what|when|where|who|whom|whose|which|why|how|is|are|am|was|were|do|does|did|has|have)\b[^?]*\?$/i

function wordsOf(text: string): string[] {
  // What stands in quotes is a title: its words ask for nothing.
  const plain = text
    .toLowerCase()
    .replaceAll(/(?<=^|\s)["'‘“][^"'’”]{1,200}["'’”](?=$|[\s.,;:!?])/g, ' ')
  return plain.split(/[^\p{L}\p{N}-]+/u).filter((word) => word !== '')
}

/** Whether a clause asks for what a tool does: a verb for it, and a word for what it does it to. */
function asksFor(clause: Clause, tool: ScopeTool, all: readonly ScopeTool[]): boolean {
  if (followsLinks(tool)) {
    const pages = [...thingsFor('page')].some((word) => clause.things.has(word))
    return pages || linksIn(clause.text).length > 0
  }
  const verb = ownVerb(tool)
  const said = verbsIn(clause, tool)
  if (said.length === 0) return false
  // A word that is another tool's own verb, for the same thing, means that tool.
  const own = said.filter(
    (word) =>
      word === verb || !all.some((other) => ownVerb(other) === word && isAbout(clause, other)),
  )
  if (own.length === 0) return false
  const alone = all.filter((other) => ownVerb(other) === verb).length === 1
  if (alone && isSpecific(verb) && own.includes(verb)) return true
  // To pay or to refund is said of money only.
  if (tool.reviewed.class === 'money' && own.some((word) => PAYING.test(word))) return true
  if (isAbout(clause, tool)) return true
  // Where the clause names no thing that any tool acts on, the verb has to do.
  return !all.some((other) => isAbout(clause, other))
}

const PAYING = /^(?:pay|refund|reimburse|wire|repay)$/

function ownVerb({ offered }: ScopeTool): string {
  return verbOf(wordsOfName(offered.name))
}

/** The words of a clause that ask for what a tool's verb does. */
function verbsIn(clause: Clause, tool: ScopeTool): string[] {
  const verb = ownVerb(tool)
  const verbs = verbsFor(verb)
  // Whoever asks to pay asks for money to be sent.
  const pays = tool.reviewed.class === 'money' && verb === 'send'
  return clause.words.filter(
    (word, at) => (verbs.has(word) || (pays && PAYING.test(word))) && isAsked(clause.words, at),
  )
}

function isAbout(clause: Clause, tool: ScopeTool): boolean {
  return thingsOf(tool).some((thing) =>
    [...thingsFor(thing)].some((word) => clause.things.has(singular(word))),
  )
}

/** A verb that is asked for, not a noun ("the email") nor something told ("that they share"). */
function isAsked(words: readonly string[], at: number): boolean {
  // What the person wants to be told or given themselves is an answer.
  if (words[at + 1] === 'me') return false
  const before = words[at - 1] ?? ''
  return (
    !/^(?:the|a|an|this|that|my|your|our|their|his|her|its|each|every|any|no|last|first|next|in|of|by|from|based|i|they|he|she|we|who|which|did|do|does|not|don)$/.test(
      before,
    ) ||
    (before === 'not' && words[at - 2] === 'do')
  )
}

/** What a tool acts on: the last noun of its name weighs, and what its parameters fill where it has none. */
function thingsOf({ offered }: ScopeTool): readonly string[] {
  const nouns = nounsOfName(offered.name)
  if (nouns.length > 0) return nouns
  const words = wordsOfName(offered.name)
  const verb = verbOf(words)
  const rest = words.filter((word) => word !== verb).map(singular)
  return [...rest, ...parametersOf(offered).flatMap((one) => wordsOfName(one.name))]
}

function assembled(
  { tools, approver, template = [] }: ScopeRequest,
  asked: readonly Asked[],
): Omit<ProposedScope, 'isOpen'> {
  const details: McpCallDetail[] = [...template]
  for (const [location, all] of byLocation(tools)) {
    const lookUps = all.filter(isLookUp).map((tool) => ({ tool, said: [] }))
    details.push(...detailsFor(location, lookUps))
    const here = asked.filter(({ tool }) => tool.location === location)
    details.push(...here.flatMap((one) => grantsFor(one)))
    const acting = all.filter((tool) => !isLookUp(tool)).map((tool) => ({ tool, said: [] }))
    for (const detail of detailsFor(location, acting))
      details.push({ ...detail, approval: { by: approver } })
  }
  return { details, sentences: details.map(inPlainWords), digest: digestOfJson(details) }
}

function byLocation(tools: readonly ScopeTool[]): Map<string, ScopeTool[]> {
  const found = new Map<string, ScopeTool[]>()
  for (const tool of tools) found.set(tool.location, [...(found.get(tool.location) ?? []), tool])
  return found
}

/** Details hold at most so many actions. */
const MOST_ACTIONS = 64

function detailsFor(location: string, asked: readonly Asked[]): McpCallDetail[] {
  const parts: McpCallDetail[] = []
  for (let at = 0; at < asked.length; at += MOST_ACTIONS) {
    const some = asked.slice(at, at + MOST_ACTIONS)
    const conditions = some
      .map(({ tool }) => [tool.offered.name, conditionsFor(tool, [])] as const)
      .filter(([, one]) => Object.keys(one).length > 0)
    parts.push({
      type: 'mcp_call',
      locations: [location],
      actions: some.map(({ tool }) => `tools/call:${tool.offered.name}`),
      ...(conditions.length > 0 && { arguments: Object.fromEntries(conditions) }),
    })
  }
  return parts
}

/** What the words grant of one tool; where a limited sink may be left out, a second detail without it. */
function grantsFor({ tool, said }: Asked): McpCallDetail[] {
  const { location, offered } = tool
  const conditions = conditionsFor(tool, said)
  const limited = Object.keys(conditions).filter((path) => conditions[path]?.oneOf !== undefined)
  const optional = limited.filter((path) => !isRequired(offered, path))
  const detailWith = (some: Readonly<Record<string, Condition>>): McpCallDetail => ({
    type: 'mcp_call',
    locations: [location],
    actions: [`tools/call:${offered.name}`],
    ...(Object.keys(some).length > 0 && { arguments: { [offered.name]: some } }),
  })
  const whole = detailWith(conditions)
  if (optional.length === 0) return [whole]
  const kept = Object.entries(conditions).filter(([path]) => !optional.includes(path))
  return [whole, detailWith(Object.fromEntries(kept))]
}

function isRequired({ inputSchema }: OfferedTool, path: string): boolean {
  const required = inputSchema?.['required']
  return Array.isArray(required) && required.some((one) => one === path.replace(/\[\]$/, ''))
}

/** Each sink of a tool: what the words name of its kind, else anything. */
function conditionsFor(
  { reviewed }: ScopeTool,
  said: readonly Clause[],
): Readonly<Record<string, Condition>> {
  return Object.fromEntries(
    reviewed.sinks.map(({ path, kind }): [string, Condition] => {
      const follows = reviewed.class === 'read'
      const values = said.flatMap(({ text }) => (follows ? linksIn(text) : valuesOf(kind, text)))
      return [path, values.length === 0 ? { any: true } : { oneOf: [...new Set(values)] }]
    }),
  )
}

const VALUES: Partial<Readonly<Record<SinkKind, RegExp>>> = {
  email: /[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+/g,
  url: /https?:\/\/[^\s"'<>)]+[^\s"'<>).,]/g,
  account: /\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b/g,
}

/** The links in a text, with or without a scheme, as they stand. */
function linksIn(text: string): string[] {
  const links = /(?<![\w@.-])(?:https?:\/\/|www\.)[^\s"'<>()]+[^\s"'<>().,;:!?]/gi
  return [...text.matchAll(links)].map(([link]) => link)
}

/** The values of a kind that stand in the words, as a server takes them. */
function valuesOf(kind: SinkKind, text: string): string[] {
  const pattern = VALUES[kind]
  const found = pattern === undefined ? [] : [...text.matchAll(pattern)].map(([value]) => value)
  return kind === 'email' ? found.map((value) => value.toLowerCase()) : found
}
