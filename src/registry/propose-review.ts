/**
 * A first draft of a review: what each tool does, where its arguments reach, and what callers can write,
 * read from its name, description and input schema by general rules.
 *
 * Call `proposeTool` per definition and show the draft to the reviewer, who decides; the server's own
 * annotations are not believed. Doubt is resolved to the worse: what no rule recognises writes, and is
 * consequential.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Sink, SinkKind } from '../mcp/canonical.ts'
import { isObject } from '../mcp/message.ts'
import { type Parameter, parametersOf, placesOf } from './parameters.ts'
import type { Definition, ReviewedTool, Server, ToolClass } from './server.ts'

/** A tool as its server describes it. */
export interface OfferedTool {
  readonly name: string
  readonly description?: string
  readonly inputSchema?: JsonObject
}

/** The tools that a server's accepted definitions offer. */
export function offeredTools({ definitions }: Pick<Server, 'definitions'>): readonly OfferedTool[] {
  return [...definitions.values()].flatMap((one) => (one.kind === 'tool' ? [described(one)] : []))
}

/** The tool of that name among definitions. */
export function offeredTool(
  definitions: readonly Definition[],
  name: string,
): OfferedTool | undefined {
  const found = definitions.find((one) => one.kind === 'tool' && one.name === name)
  return found && described(found)
}

function described({ name, value }: Definition): OfferedTool {
  const { description, inputSchema } = value
  return {
    name,
    ...(typeof description === 'string' && { description }),
    ...(isObject(inputSchema) && { inputSchema }),
  }
}

/** The words of a name: `sendEmail`, `send_email` and `send-email` are two. */
export function wordsOfName(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
}

const VERBS: readonly (readonly [RegExp, ToolClass])[] = [
  [
    /^(?:delete|remove|cancel|revoke|drop|destroy|erase|purge|terminate|uninstall|kick|ban|wipe|close|archive)$/,
    'destructive',
  ],
  [
    /^(?:pay|transfer|purchase|buy|order|refund|charge|withdraw|deposit|invest|sell|donate|tip)$/,
    'money',
  ],
  [
    /^(?:send|share|post|publish|email|mail|message|invite|forward|reply|notify|tweet|upload|submit|broadcast|call|dm|comment|respond|tell)$/,
    'egress',
  ],
  [
    /^(?:get|list|search|find|read|show|view|check|fetch|lookup|look|query|count|describe|download|browse|retrieve|calculate|compute|convert|compare|summarize|is|has|who|what|when|where|open|visit|ping|status|preview|validate|verify|recommend|rate)$/,
    'read',
  ],
  [
    /^(?:create|update|set|edit|add|append|write|schedule|reschedule|book|reserve|move|rename|change|modify|insert|save|put|make|register|assign|enable|disable|mark|copy|new|start|stop|run|execute|restore|reset|approve|sign|subscribe|unsubscribe|join|leave|accept|decline|follow|unfollow|like|pin|mute)$/,
    'write',
  ],
]
const MONEY_WORDS = /^(?:money|payment|transaction|transfer|payout|wire|funds|invoice|cash)s?$/

/** What a tool does at worst: from its verb, then from what it speaks of and what it takes. */
export function classOf(tool: OfferedTool): ToolClass {
  const words = wordsOfName(tool.name)
  const verb = verbOf(words)
  const said = classOfVerb(verb) ?? 'write'
  const parameters = parametersOf(tool)
  if (said === 'read' || said === 'destructive') return said
  const isMoney = words.some((word) => MONEY_WORDS.test(word))
  if (isMoney || parameters.some((one) => kindOf(one) === 'account')) return 'money'
  if (said === 'write') {
    // It tells somebody outside of what it wrote.
    const tells = /\b(?:sends?|emails?|notif\w+|invites?|shares?|posts?)\b/i.test(
      tool.description ?? '',
    )
    const reaches = parameters.some((one) => kindOf(one) === 'email' || isLink(one))
    return tells || reaches ? 'egress' : 'write'
  }
  return said
}

/** The verb of a name: its first word that is one, else its first. */
export function verbOf(words: readonly string[]): string {
  return words.find((word) => classOfVerb(word) !== undefined) ?? words[0] ?? ''
}

function classOfVerb(word: string): ToolClass | undefined {
  return VERBS.find(([verbs]) => verbs.test(word))?.[1]
}

/** A draft of one tool's review. */
export function proposeTool(tool: OfferedTool): ReviewedTool {
  const toolClass = classOf(tool)
  const looksUp = isRead(tool)
  const sinks = inferSinks(tool, toolClass)
  return { name: tool.name, class: toolClass, sinks, consequential: !looksUp }
}

/** The places in a tool's arguments that say what a call of this class reaches, as deep as its schema goes. */
export function inferSinks(tool: OfferedTool, toolClass: ToolClass): Sink[] {
  const looksUp = toolClass === 'read' && isRead(tool)
  const places = placesOf(tool)
  const all = places.map(({ parameter: one }) => one)
  return places.flatMap(({ path, parameter: one, within }): Sink[] => {
    const kind =
      kindOfEnd(one, all, { tool, toolClass }) ??
      kindOf(one, toolClass) ??
      kindWithin(one, within, toolClass)
    // A look-up reaches nothing by what it asks for, but for where it asks.
    if (kind === undefined || (looksUp && !isLink(one))) return []
    return [{ path, kind }]
  })
}

/**
 * `move_file(source, destination)`: a parameter that is named for an end of what happens, and not for what
 * stands there, is of the kind that the tool deals in: of its other end, of what it moves, or of what is
 * said of it. What tells others or pays has somebody at its ends, and is no concern of this.
 */
function kindOfEnd(
  one: Parameter,
  all: readonly Parameter[],
  { tool, toolClass }: { readonly tool: OfferedTool; readonly toolClass: ToolClass },
): SinkKind | undefined {
  const end = endOf(one)
  const isPlace = toolClass === 'write' || toolClass === 'destructive'
  if (end === undefined || !isPlace || one.isChoice || !one.types.includes('string'))
    return undefined
  // A day, a time, an address of a kind that the schema names is no place in files.
  if (one.types.some((type) => type !== 'string' && type !== 'null' && type !== 'array'))
    return undefined
  const isFiles =
    nounsOfName(tool.name).some((noun) => FILES.test(noun)) ||
    all.some((other) => kindOf(other, toolClass) === 'path' || saysPath(other))
  if (!isFiles) return undefined
  // `to` and `new` are other things too: of a place they speak beside the other end alone.
  const hasOther = all.some((other) => OTHER_END.get(end)?.includes(endOf(other) ?? '') === true)
  return hasOther || PLAIN_END.test(end) ? 'path' : undefined
}

/** Whether an end is said to be a path. */
function saysPath(one: Parameter): boolean {
  return endOf(one) !== undefined && SAYS_PATH.test(one.description)
}

/** Things that lie at paths. */
const FILES = /^(?:file|directory|folder|dir|path|symlink)$/
const SAYS_PATH = /\b(?:paths?|director(?:y|ies)|folders?)\b/i
/** Ends that are places on their own. */
const PLAIN_END = /^(?:source|src|destination|dest|dst|target)$/
const OTHER_END: ReadonlyMap<string, readonly string[]> = new Map(
  [
    [
      ['source', 'src', 'from', 'origin'],
      ['destination', 'dest', 'dst', 'target', 'to'],
    ],
    [['old'], ['new']],
    [['input'], ['output']],
  ].flatMap(([begins = [], ends = []]) => [
    ...begins.map((one) => [one, ends] as const),
    ...ends.map((one) => [one, begins] as const),
  ]),
)

/** The end that a parameter is named for: `source`, `destFile`, `old_name`; not `source_language`. */
function endOf({ name }: Parameter): string | undefined {
  const [end = '', ...rest] = wordsOfName(name).filter((word) => !LIES_THERE.test(word))
  return rest.length === 0 && OTHER_END.has(end) ? end : undefined
}

const LIES_THERE = /^(?:file|files|name|names|filename|dir|directory|folder|path|paths|location)$/

/** `recipients: [{ value }]`: a member whose name says nothing is what it stands in. */
function kindWithin(
  one: Parameter,
  within: string | undefined,
  toolClass: ToolClass,
): SinkKind | undefined {
  if (within === undefined || !NAMELESS.test(one.name)) return undefined
  return kindOf({ ...one, name: within }, toolClass)
}

const NAMELESS = /^(?:value|address|handle|text|string|item|entry|target|name)$/

/** Whether a tool only looks up. */
export function isRead(tool: OfferedTool): boolean {
  return classOfVerb(verbOf(wordsOfName(tool.name))) === 'read'
}

/** Whether a tool hands out what others wrote, as it stands: its answer has no fields that can be trusted. */
export function isVerbatim(tool: OfferedTool): boolean {
  const said = `${wordsOfName(tool.name).join(' ')}. ${firstSentence(tool.description)}`
  const opens = /\b(?:read|open|fetch|download|browse|visit|get|cat)\b/i.test(said)
  return opens && /\b(?:contents?|text|raw|web ?pages?|urls?|body)\b/i.test(said)
}

/**
 * The fields of a tool's answers that callers of the server can write: parameters of tools that change
 * the same kind of thing. An identifier parameter picks a thing and writes none.
 */
export function writableFields(tool: OfferedTool, all: readonly OfferedTool[]): readonly string[] {
  const vocabulary = new Set(all.flatMap((one) => nounsOfName(one.name)))
  const about = thingsOf(tool, vocabulary)
  const writers = all.filter(
    (one) => !isRead(one) && thingsOf(one, vocabulary).some((thing) => about.includes(thing)),
  )
  const names = writers.flatMap(parametersOf).filter((one) => !isIdentifier(one.name))
  return [...new Set(names.map((one) => one.name))]
}

/** The things a tool is about: the nouns of its name, and those of its first sentence that any name has. */
export function thingsOf(tool: OfferedTool, vocabulary: ReadonlySet<string>): string[] {
  const spoken = wordsOfName(firstSentence(tool.description).replaceAll(/`[^`]*`/g, ' '))
    .map(singular)
    .filter((word) => vocabulary.has(word))
  return [...new Set([...nounsOfName(tool.name), ...spoken])]
}

/** The words of a name that are no verb and no filler, in the singular. */
export function nounsOfName(name: string): string[] {
  const words = wordsOfName(name)
  const verb = verbOf(words)
  return words.filter((word) => word !== verb && !FILLER.test(word)).map(singular)
}

const FILLER =
  /^(?:by|to|from|in|on|of|for|with|and|or|the|a|an|all|most|recent|current|my|day|unread|sent|received|draft|new|id|ids|info|information|details?|name|names|user|users|scheduled?|address|addresses|into|at|up|content|is|has)$/

/** A rough singular. */
export function singular(word: string): string {
  if (/(?:ss|us|is)$/.test(word) || word.length < 4) return word
  return word
    .replace(/ies$/, 'y')
    .replace(/(?<=[sxz]|ch|sh)es$/, '')
    .replace(/s$/, '')
}

function firstSentence(text = ''): string {
  return text.split(/(?<=\.)\s|\n/)[0] ?? ''
}

function isLink(one: Parameter): boolean {
  const links = /^(?:url|uri|link|href|webhook|website|endpoint)s?$/
  const isText = one.types.includes('string')
  return (
    isText && (one.types.includes('uri') || wordsOfName(one.name).some((word) => links.test(word)))
  )
}

function isIdentifier(name: string): boolean {
  return /(?:^|_)(?:id|ids|uuid|guid)$|[a-z](?:Id|Ids|ID)$/.test(name)
}

/**
 * What a parameter reaches. The name and the schema decide; a description is prose, and only says that a
 * plain name reaches somebody.
 */
export function kindOf(one: Parameter, toolClass?: ToolClass): SinkKind | undefined {
  if (one.isChoice || one.types.every((type) => type === 'boolean' || type === 'null'))
    return undefined
  const words = wordsOfName(one.name)
  const has = (pattern: RegExp): boolean => words.some((word) => pattern.test(word))
  const isNumber = one.types.some((type) => type === 'number' || type === 'integer')
  const isText = one.types.includes('string')
  if (isNumber && has(/^(?:amount|price|total|sum|value|quantity|budget)$/)) return 'amount'
  if (isIdentifier(one.name)) return 'id'
  if (!isText) return undefined
  const mail = /\be?-?mails?\b/i
  if (has(/^e?mails?$/) || one.types.includes('email')) return 'email'
  if (has(/^(?:recipients?|participants?|attendees?|invitees?|to|cc|bcc|guests?)$/))
    return mail.test(one.description) ? 'email' : 'name'
  // Without a format, it takes what no parser of URLs does: `www.example.com`.
  if (isLink(one)) return one.types.includes('uri') ? 'url' : 'name'
  if (has(/^(?:iban|bic|accounts?)$/)) return 'account'
  if (has(/^(?:path|paths|directory|folder)$/)) return 'path'
  if (has(/^(?:password|passphrase|secret|pin|token|key|credentials?)$/)) return 'name'
  // Whom or what a call that reaches out is about.
  const reaches = toolClass !== undefined && toolClass !== 'read'
  if (
    reaches &&
    has(
      /^(?:users?|users?name|channels?|members?|contacts?|payee|beneficiary|destination|target|group|room|hotel|restaurant|company|phone|repo|repository|account)$/,
    )
  )
    return 'name'
  return undefined
}
