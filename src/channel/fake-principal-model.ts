/**
 * A model of the tests' own: it holds of every message what it is told to, and answers with one text. Its
 * tokens are the characters of a text; structural ones lie above them.
 */

import type {
  Admission,
  ChannelOutput,
  ChannelTensors,
  ChannelTokenizer,
  PrincipalModel,
} from './principal-model.ts'

/** Ids from here on are structural: no character has one. */
export const STRUCTURAL = 0x20_0000

const words = ['<msg>', '<end>', '<quote>', '<data>', '<close>', '<ans>', '<yes>'] as const
const idOf = (word: (typeof words)[number]): number => STRUCTURAL + words.indexOf(word)
const characters = (text: string): number[] =>
  Array.from(text, (character) => character.codePointAt(0) ?? 0)

const tokenizer: ChannelTokenizer = {
  kinds: { header: 0, utterance: 1, quoted: 2, data: 3, assistant: 4 },
  reads: () => true,
  encode: characters,
  directive: ({ scope, key, value }) => characters(`${scope} ${key} ${value}`),
  header: ({ name }) => [idOf('<msg>'), ...characters(name)],
  end: [idOf('<end>')],
  around: (kind) => ({
    before: [idOf(kind === 'data' ? '<data>' : '<quote>')],
    after: [idOf('<close>')],
  }),
  answer: [idOf('<ans>')],
  isWhole: () => true,
  decode: (ids) => ids.map((id) => (id === 1 ? 'yes' : '?')).join(''),
}

/** A model, and what it was given. */
export interface FakePrincipalModel extends PrincipalModel {
  readonly given: readonly ChannelTensors[]
}

/** A model that holds `admission` of each message, whoever wrote it, and answers yes. */
export function fakePrincipalModel(
  admission: Admission | ((at: number) => Admission),
): FakePrincipalModel {
  const given: ChannelTensors[] = []
  return {
    name: 'fake',
    digest: `sha256:${'0'.repeat(64)}`,
    maxTokens: 10_000,
    given,
    tokenizer: () => tokenizer,
    take: () => ({ leave: () => undefined }),
    async run(tensors): Promise<ChannelOutput> {
      given.push(tensors)
      return {
        admission: tensors.messageEnds.map((_, at) =>
          typeof admission === 'string' ? admission : admission(at),
        ),
        logits: Float32Array.of(0, 1),
      }
    },
  }
}
