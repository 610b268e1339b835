/**
 * A conversation of several principals with one agent, under one delegation: its words and shapes.
 *
 * `open.ts` begins one, `membership.ts` changes who takes part, `say.ts` adds what somebody says, `ask.ts`
 * begins a turn of the agent. All of it is one list of events that only grows; `transcript.ts` reads it.
 *
 * INVARIANT (immutable author): who said something is who the request was authenticated as. It is written
 * with the event and with its entry in the log, and the database refuses to change or remove either row.
 */

import * as z from 'zod'
import { type Id, idSchema } from '../../base/id.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import { type AgentId, agentIdSchema } from '../../identity/agent.ts'
import { type PersonId, personIdSchema } from '../../people/person.ts'

/** The identifier of a conversation. */
export type ConversationId = Id<'cnv'>
/** The identifier of a message. */
export type MessageId = Id<'msg'>
/** The identifier of a turn of the agent. */
export type TurnId = Id<'trn'>

/** Accepts exactly the identifiers of conversations. */
export const conversationIdSchema: z.ZodType<ConversationId> = idSchema('cnv')
const messageIdSchema: z.ZodType<MessageId> = idSchema('msg')
/** Accepts exactly the identifiers of turns. */
export const turnIdSchema: z.ZodType<TurnId> = idSchema('trn')

/** An MCP server, as the author of what its tools return. */
export type ServerPrincipal = Id<'srv'>
/** Accepts exactly the identifiers of servers. */
export const serverSchema: z.ZodType<ServerPrincipal> = idSchema('srv')

/** What somebody may be in a conversation, from the least. The owner is whoever delegated. */
export const ROLES = ['guest', 'member', 'lead', 'owner'] as const
/** @see ROLES */
export type Role = (typeof ROLES)[number]

/** Ordinals of authority: 0 is data, whoever brought it; the system is above all that people are. */
export const AUTHORITY = { data: 0, guest: 1, member: 2, lead: 3, owner: 4, system: 5 } as const

/** From here on words can direct everybody. Guests inform, and settle what is their own. */
export const DIRECTS_ALL: number = AUTHORITY.member

/** Who takes part: people by their sessions, agents by their tokens. */
export type Participant = PersonId | AgentId
const participantSchema = z.union([personIdSchema, agentIdSchema])

/** Whom words are attributed to: a participant, the control plane, a server, or nobody who was authenticated. */
export type Author = Participant | ServerPrincipal | 'system' | 'document'
const authorSchema: z.ZodType<Author> = z.union([
  participantSchema,
  serverSchema,
  z.enum(['system', 'document']),
])

/** A conversation. */
export interface Conversation {
  readonly id: ConversationId
  /** Under which the agent acts, and nothing else. */
  readonly delegation: DelegationId
  /** Whoever delegated. */
  readonly owner: PersonId
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
}

/** For whom a directive is: for everybody in the conversation, or for its author alone. */
export const scopeSchema = z.enum(['all', 'mine'])

/** What a setting is called. */
export const settingKey = z
  .string()
  .regex(/^[a-z][a-z0-9_.-]{0,39}$/, 'expected a name such as `style`')
/** What it is set to: one line. */
export const settingValue = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u, 'expected one line of text')

/** Beyond this a conversation is full, each part of a message counted: it is read as a whole. */
export const MOST_EVENTS = 2_000
/** The most that is said in one conversation, in bytes: what somebody asks is answered from all of it. */
export const MOST_BYTES: number = 4 * 1024 * 1024

/** The longest text of one span, in characters. */
export const MAX_TEXT = 16_000

const text = z.string().min(1).max(MAX_TEXT)

/**
 * One part of a message as it was sent. A quotation names the message that it repeats: the text and its
 * author come from there, never from the one who quotes.
 */
export const partSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('utterance'), text }),
  z.strictObject({
    kind: z.literal('directive'),
    scope: scopeSchema,
    key: settingKey,
    value: settingValue,
  }),
  z.strictObject({ kind: z.literal('quoted'), message: messageIdSchema }),
  /** A document: content that its bearer vouches for as little as anybody. */
  z.strictObject({ kind: z.literal('data'), text, label: z.string().max(200).exactOptional() }),
])
/** @see partSchema */
export type Part = z.infer<typeof partSchema>

/** The content of a message, as it lies in the vault. */
export const contentSchema = z.strictObject({ parts: z.array(partSchema).min(1).max(20) })
/** @see contentSchema */
export type Content = z.infer<typeof contentSchema>

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const sealed = z.strictObject({ sealed: digest, bytes: z.int().nonnegative() })
const authors = z.array(authorSchema).max(100)

/** What the record says of a part without its words. */
const spanSchema = z.strictObject({
  kind: z.enum(['utterance', 'directive', 'quoted', 'data']),
  /** Of a quotation. */
  from: messageIdSchema.exactOptional(),
  /** Of a directive. */
  scope: scopeSchema.exactOptional(),
})
/** @see spanSchema */
export type Span = z.infer<typeof spanSchema>

/** What an event says beside its place and its author; the entry in the log says the same. */
export const factsSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('opened'), topic: sealed }),
  z.strictObject({
    kind: z.literal('member_added'),
    member: participantSchema,
    role: z.enum(ROLES),
  }),
  z.strictObject({ kind: z.literal('member_removed'), member: participantSchema }),
  z.strictObject({
    kind: z.literal('said'),
    message: messageIdSchema,
    /** The person whom an agent speaks for. */
    onBehalfOf: personIdSchema.exactOptional(),
    spans: z.array(spanSchema).min(1).max(20),
    /** Who may know of it; everybody who takes part when absent. */
    audience: z.array(participantSchema).min(1).max(100).exactOptional(),
    content: sealed,
  }),
  /** What a tool returned to the agent: data of its server. Its entry is the outcome of the call. */
  z.strictObject({
    kind: z.literal('result'),
    message: messageIdSchema,
    call: z.string().max(80),
    /** The index of the entry by which the call was let out: it says who was permitted it. */
    intended: z.int().nonnegative(),
    /** What the server was called, and what was asked of it. */
    server: z.string().max(128),
    action: z.string().max(300),
    /** The people who were permitted the call: nobody else may know what came of it. */
    audience: z.array(participantSchema).min(1).max(100),
    content: sealed,
  }),
  z.strictObject({ kind: z.literal('rekeyed'), epoch: z.int().nonnegative() }),
  z.strictObject({
    kind: z.literal('turn'),
    turn: turnIdSchema,
    /** The message that asks. */
    question: messageIdSchema,
    /** How the model learns who spoke: through the channel, or as messages with marked spans. */
    through: z.enum(['channel', 'messages']),
    model: z.strictObject({ name: z.string().max(200), digest }).exactOptional(),
    /** The key of the vectors. */
    epoch: z.int().nonnegative(),
    /** Digest of the list of envelopes. */
    envelopes: digest,
    segments: z.int().positive(),
    /** Whose words may have directed what the agent does next. */
    directing: authors,
  }),
  z.strictObject({
    kind: z.literal('answered'),
    turn: turnIdSchema,
    message: messageIdSchema,
    /** Text that the model took for a directive, by message. */
    admitted: z.array(messageIdSchema).max(500),
    directing: authors,
    audience: z.array(participantSchema).max(100),
    content: sealed,
  }),
])
/** @see factsSchema */
export type Facts = z.infer<typeof factsSchema>

/** One event of a conversation. */
export type ConversationEvent = Facts & {
  readonly seq: number
  /** The index of its entry. */
  readonly entry: number
  readonly author: Author
  /** Milliseconds since the Unix epoch. */
  readonly time: number
}

/** An event of one kind. */
export type EventOf<K extends Facts['kind']> = Extract<ConversationEvent, { kind: K }>
