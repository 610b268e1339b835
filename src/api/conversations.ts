/**
 * Conversations of many principals. Rows of the table in `operations.ts`.
 *
 * Nothing here says who speaks: that is whoever the request was authenticated as.
 */

import * as z from 'zod'
import { id, instant, nothing, operation, reference } from './operation.ts'

const role = z.enum(['guest', 'member', 'lead', 'owner'])
const givenRole = z.enum(['guest', 'member', 'lead'])
const settingKey = z.string().regex(/^[a-z][a-z0-9_.-]{0,39}$/, 'expected a name such as `style`')
const settingValue = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u, 'expected one line of text')
const text = z.string().min(1).max(16_000)
const audience = z.array(reference).min(1).max(100).optional()

const part = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('utterance'), text }),
  /** A directive by its form: for everybody, or for oneself. */
  z.strictObject({
    kind: z.literal('directive'),
    scope: z.enum(['all', 'mine']),
    key: settingKey,
    value: settingValue,
  }),
  /** By reference: the words and their author are those of the message. */
  z.strictObject({ kind: z.literal('quoted'), message: reference }),
  /** A document. */
  z.strictObject({ kind: z.literal('data'), text, label: z.string().max(200).optional() }),
])

const conversation = z.object({
  id: z.string(),
  delegation: z.string(),
  owner: z.string(),
  createdAt: instant,
})

const member = z.object({ member: z.string(), role })

/** A directive in the record: who said so, and what became of it. */
const folded = z.object({
  key: z.string(),
  value: z.string(),
  scope: z.enum(['all', 'mine']),
  author: z.string(),
  onBehalfOf: z.string().optional(),
  authority: z.int(),
  message: z.string(),
  outcome: z.enum(['in_effect', 'superseded', 'outranked', 'not_entitled']),
})

const span = z.object({
  kind: z.enum(['utterance', 'quoted', 'data', 'assistant']),
  author: z.string(),
  onBehalfOf: z.string().optional(),
  authority: z.int(),
  /** The message in which it was first said. */
  of: z.string(),
  text: z.string(),
})

const message = z.object({
  message: z.string(),
  author: z.string(),
  onBehalfOf: z.string().optional(),
  time: instant,
  /** The index of its entry in the log. */
  entry: z.int(),
  audience: z.array(z.string()).optional(),
  /** What a tool of this server returned to the agent; its author is the server. */
  returned: z.object({ server: z.string(), action: z.string(), call: z.string() }).optional(),
  spans: z.array(span),
})

const neutralMessages = z.array(
  z.object({
    role: z.enum(['system', 'user', 'assistant']),
    name: z.string().optional(),
    content: z.string(),
    parts: z.array(
      z.object({
        type: z.enum(['instruction', 'data']),
        from: z.string(),
        kind: z.enum(['utterance', 'quoted', 'data', 'assistant']),
        text: z.string(),
      }),
    ),
  }),
)

const turn = z.object({
  turn: z.string(),
  question: z.string(),
  entry: z.int(),
  /** What protects the turn: the channel inside of the model, or marks in its messages alone. */
  through: z.enum(['channel', 'messages']),
  /** Digest of what the model is told about who spoke; it stands in the entry. */
  envelopes: z.string(),
  segments: z.int(),
  /** Whose words may direct what the agent does next: each needs the right as well. */
  directing: z.array(z.string()),
  settings: z.array(folded),
  /** For a model without the channel; `content` for interfaces that take text alone. */
  messages: neutralMessages,
  answer: z
    .object({
      message: z.string(),
      text: z.string(),
      audience: z.array(z.string()),
      admission: z.array(
        z.object({
          message: z.string(),
          admission: z.enum(['takes_effect', 'refused', 'not_a_directive']),
        }),
      ),
    })
    .optional(),
})

export const createConversation = operation({
  id: 'conversation.create',
  asker: 'person',
  method: 'POST',
  path: '/conversations',
  summary: 'Begin a conversation of several people with the agent of a delegation.',
  input: z.strictObject({ delegation: reference, topic: z.string().min(1).max(500) }),
  output: conversation,
})

export const listConversations = operation({
  id: 'conversation.list',
  asker: 'person',
  method: 'GET',
  path: '/conversations',
  summary: 'Conversations that you take or took part in, newest first.',
  input: nothing,
  output: z.object({ conversations: z.array(conversation) }),
})

export const showConversation = operation({
  id: 'conversation.show',
  asker: 'person',
  method: 'GET',
  path: '/conversations/{id}',
  summary: 'Who takes part, what was said to you, what is settled and who said so.',
  input: id,
  output: conversation.extend({
    members: z.array(member),
    messages: z.array(message),
    settings: z.array(folded),
    directing: z.array(z.string()),
  }),
})

export const inviteToConversation = operation({
  id: 'conversation.invite',
  asker: 'person',
  method: 'POST',
  path: '/conversations/{id}/members',
  summary: 'Let a person or an agent take part, or give them another role.',
  input: id.extend({ member: reference, role: givenRole }),
  output: z.object({ members: z.array(member) }),
})

export const removeFromConversation = operation({
  id: 'conversation.remove',
  asker: 'person',
  method: 'DELETE',
  path: '/conversations/{id}/members/{member}',
  summary: 'Let somebody go; what they settled lapses.',
  input: id.extend({ member: reference }),
  output: z.object({ members: z.array(member) }),
})

export const sayInConversation = operation({
  id: 'conversation.say',
  asker: 'person',
  method: 'POST',
  path: '/conversations/{id}/messages',
  summary: 'Say something, settle something, quote a message, show a document.',
  input: id.extend({ parts: z.array(part).min(1).max(20), audience }),
  output: z.object({
    message: z.string(),
    entry: z.int(),
    directives: z.array(folded),
  }),
})

export const askConversation = operation({
  id: 'conversation.ask',
  asker: 'person',
  method: 'POST',
  path: '/conversations/{id}/turns',
  summary: 'Ask: a model is shown what you may know, with who said it.',
  input: id.extend({ question: text, audience, model: z.literal('principal').optional() }),
  output: turn,
})

export const verifyConversation = operation({
  id: 'conversation.verify',
  asker: 'person',
  method: 'GET',
  path: '/conversations/{id}/verification',
  summary: 'Compare a conversation with the log, and make the envelopes of each turn again.',
  input: id,
  output: z.object({
    holds: z.boolean(),
    events: z.int(),
    erased: z.int(),
    faults: z.array(z.string()),
    turns: z.array(
      z.object({
        turn: z.string(),
        entry: z.int(),
        asker: z.string(),
        through: z.enum(['channel', 'messages']),
        segments: z.int(),
        envelopes: z.string(),
        recomputed: z.string(),
      }),
    ),
  }),
})

export const sayAsAgent = operation({
  id: 'conversation.agent-say',
  asker: 'agent',
  method: 'POST',
  path: '/conversations/{id}/agent-messages',
  summary: 'Say something as an agent that takes part, for the person of its delegation.',
  input: id.extend({ parts: z.array(part).min(1).max(20), audience }),
  output: z.object({ message: z.string(), entry: z.int(), directives: z.array(folded) }),
})

const waitingTurn = z.object({
  turn: z.string(),
  question: z.string(),
  asker: z.string(),
  time: instant,
})

/** Sixteen hexadecimal digits: the 64 sign bits of a principal's vector, the low bit of each byte first. */
const signs = z.string().regex(/^[0-9a-f]{16}$/)

export const listTurns = operation({
  id: 'conversation.turns',
  asker: 'agent',
  method: 'GET',
  path: '/agent-turns',
  summary: 'The turns of your conversation that wait for your answer, oldest first.',
  input: nothing,
  output: z.object({ conversation: z.string(), turns: z.array(waitingTurn) }),
})

export const fetchTurn = operation({
  id: 'conversation.turn',
  asker: 'agent',
  method: 'GET',
  path: '/agent-turns/{turn}',
  summary: 'What you are asked, with who said what: as messages, or as tensors for a model.',
  input: z.strictObject({ turn: reference, form: z.enum(['messages', 'tensors']).optional() }),
  output: waitingTurn.extend({
    conversation: z.string(),
    /** The index of the entry that holds the digest. */
    entry: z.int(),
    /** SHA-256 of the canonical JSON of `envelopes`. */
    digest: z.string(),
    /** Who said each piece, by the record, in order. */
    envelopes: z.array(z.record(z.string(), z.json())),
    directing: z.array(z.string()),
    settings: z.array(folded),
    messages: neutralMessages,
    tensors: z
      .object({
        /** The model whose words these are. */
        model: z.object({ name: z.string(), digest: z.string() }),
        inputIds: z.array(z.int()),
        authority: z.array(z.int()),
        kind: z.array(z.int()),
        /** Of each token; a set bit is +1/8, another -1/8. */
        principalSigns: z.array(signs),
        messageEnds: z.array(z.int()),
        /** Which message ends there. */
        messages: z.array(z.string()),
        /** The words that the ids of this input stand for. */
        words: z.record(z.string(), z.string()),
      })
      .optional(),
  }),
})

export const answerTurn = operation({
  id: 'conversation.answer',
  asker: 'agent',
  method: 'POST',
  path: '/agent-turns/{turn}/answer',
  summary:
    'Answer a turn as the agent of the conversation; it goes to those who may know all of it.',
  input: z.strictObject({ turn: reference, text }),
  output: z.object({ message: z.string(), audience: z.array(z.string()) }),
})
