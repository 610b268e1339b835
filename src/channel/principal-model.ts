/**
 * The port to a model that has the principal channel: what it is given, what it says.
 *
 * `conversation/compile.ts` makes the tensors from a conversation; whoever serves a model implements
 * `PrincipalModel`. Nothing that a person or a tool wrote can become a structural token, an authority, a
 * kind or a vector: those come from the record alone.
 */

/** What a run of tokens is. A quotation and a data span inform, they never direct. */
export type TokenKind = 'header' | 'utterance' | 'quoted' | 'data' | 'assistant'

/** The length of a principal's vector. */
export const PRINCIPAL_DIMENSIONS = 64

/** How a principal is called in text. */
export interface Called {
  readonly name: string
  readonly authority: number
}

/**
 * How a model writes one conversation as tokens. A closed vocabulary has places for a conversation's own
 * words (the names of settings, their values): which place a word has is kept here, so `decode` gives the
 * word back.
 */
export interface ChannelTokenizer {
  /** The ordinal of each kind in the tensor `kind`. */
  readonly kinds: Readonly<Record<TokenKind, number>>
  /** Whether the model can read a text. What it cannot read becomes tokens that direct nothing. */
  reads(text: string): boolean
  /** The tokens of a text, special tokens disabled: none of the structural ones below, whatever it says. */
  encode(text: string): readonly number[]
  /** The tokens of a directive that was sent as one: no text stands for it. */
  directive(of: {
    readonly scope: 'all' | 'mine'
    readonly key: string
    readonly value: string
  }): readonly number[]
  /**
   * What stands before a message: the delimiter, how its author is called, and for whom the author speaks.
   * The names prove nothing.
   */
  header(author: Called, onBehalfOf?: readonly Called[]): readonly number[]
  /** What closes a message; the model says at its last token whether the message is admitted. */
  readonly end: readonly number[]
  /** What stands around a span of another's words, or of data, inside a message. */
  around(
    kind: 'quoted' | 'data',
    author: Called,
  ): { readonly before: readonly number[]; readonly after: readonly number[] }
  /** What follows the question, where the assistant's turn begins. */
  readonly answer: readonly number[]
  /** Whether tokens that the model answered are all of the answer: a name may take several. */
  isWhole(ids: readonly number[]): boolean
  /** The text of tokens that the model answered. */
  decode(ids: readonly number[]): string
}

/** The input of a model: four tensors of one length T, and where the messages end. */
export interface ChannelTensors {
  /** [1, T]. */
  readonly inputIds: readonly number[]
  /** [1, T]: 0 for data, rising to the owner and the system. */
  readonly authority: readonly number[]
  /** [1, T]: ordinals of `ChannelTokenizer.kinds`. */
  readonly kind: readonly number[]
  /** [1, T, 64]. */
  readonly principalVectors: Float32Array
  /** The position of each message's last token: there the model says whether it is admitted. */
  readonly messageEnds: readonly number[]
}

/** What the model holds of a message: it takes effect, its author may not, or it directs nothing. */
export type Admission = 'takes_effect' | 'refused' | 'not_a_directive'

/** What a model says of a conversation. */
export interface ChannelOutput {
  /** Of each message, in the order of `messageEnds`. */
  readonly admission: readonly Admission[]
  /** Of the last position, over the vocabulary. */
  readonly logits: Float32Array
}

/** A place among those that wait for a model. */
export interface Place {
  leave(): void
}

/** A model that was loaded, its weights checked. */
export interface PrincipalModel {
  readonly name: string
  /** SHA-256 of the weights, `sha256:` and hex: it stands in the record of each turn. */
  readonly digest: string
  /** The longest input. A longer one is a fault of the caller. */
  readonly maxTokens: number
  /** A tokenizer for one conversation. */
  tokenizer(): ChannelTokenizer
  /** A place for one run; none while too many wait. Whoever takes one gives it back, run or not. */
  take(): Place | undefined
  run(tensors: ChannelTensors): Promise<ChannelOutput>
}
