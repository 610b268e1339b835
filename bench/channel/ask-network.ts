/** Runs a network over a whole conversation and one question, as in the product, and reads what it says: `askNetwork`. */

import { ADMISSION_CLASSES, type Network } from '../../src/channel/serving/network.ts'
import { inputOf, type Spoken } from './tensors.ts'

/** What a network says of one question. */
export interface Heard {
  /** The numbers that the token behind `at` is chosen by, one for each of the vocabulary. */
  logitsAt(at: number): Float32Array
  /** The most likely token behind `at`. */
  tokenAt(at: number): number
  /** The class of admission at each token of the conversation; none where the network has no such head. */
  readonly admission: readonly number[]
}

/** Asks one question: `asked` is its tokens with as much of the answer as stands there. */
export async function askNetwork(
  network: Network,
  conversation: Spoken,
  asked: Pick<Spoken, 'tokens'>,
): Promise<Heard> {
  const input = inputOf(conversation, asked)
  const { logits, admission } = await network.run(input)
  const words = logits.length / input.length
  const logitsAt = (at: number): Float32Array => rowOf(logits, at, words)
  const { ids } = conversation.tokens
  return {
    logitsAt,
    tokenAt: (at) => greatest(logitsAt(at)),
    admission:
      admission === undefined
        ? []
        : ids.map((_, at) => greatest(rowOf(admission, at, ADMISSION_CLASSES))),
  }
}

function rowOf(of: Float32Array, at: number, width: number): Float32Array {
  return of.subarray(at * width, (at + 1) * width)
}

function greatest(of: Float32Array): number {
  let best = 0
  for (const [at, value] of of.entries()) if (value > (of[best] as number)) best = at
  return best
}
