/** The vectors of `vectors/channel/`: what PyTorch says of cases that set and seed name. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { digestOf } from '../../src/base/bytes.ts'
import type { Asked, Conversation } from './conversation.ts'
import { type SetName, SETS, casesOf } from './sets.ts'
import { BENCHMARK_VERSION, VOCABULARY } from './vocabulary.ts'

/** Where the vectors lie. */
export const VECTORS: string = join(import.meta.dirname, '../../vectors/channel')

const casesSchema = z.strictObject({
  model: z.string(),
  benchmark: z.literal(BENCHMARK_VERSION),
  seed: z.string(),
  sets: z.partialRecord(z.enum(SETS), z.int().positive()),
  sha256: z.string(),
})

/** One question, and PyTorch's numbers for it. */
export interface Vector {
  readonly set: SetName
  readonly conversation: Conversation
  readonly asked: Asked
  /** At `<ans>`: [V]. */
  readonly logits: Float32Array
  /** At the conversation's last `<end>`: [3]. */
  readonly admission: Float32Array
}

/** Every vector, in the file's order, and the model that they are of. */
export async function readVectors(): Promise<{
  readonly model: string
  readonly vectors: readonly Vector[]
}> {
  const cases = casesSchema.parse(JSON.parse(await readFile(join(VECTORS, 'cases.json'), 'utf8')))
  const bytes = await readFile(join(VECTORS, 'logits.bin'))
  if (digestOf(bytes) !== `sha256:${cases.sha256}`)
    throw new Error('expected the vectors’ own digest')
  const numbers = Float32Array.from({ length: bytes.length / 4 }, (_, at) =>
    bytes.readFloatLE(at * 4),
  )
  const width = VOCABULARY.length + 3
  const questions = (Object.entries(cases.sets) as [SetName, number][]).flatMap(([set, count]) =>
    casesOf(set, count, cases.seed)
      .flatMap(({ conversation, asked }) => asked.map((one) => ({ set, conversation, asked: one })))
      .slice(0, count),
  )
  if (numbers.length !== questions.length * width)
    throw new Error('expected a row for each question')
  const vectors = questions.map((question, at) => ({
    ...question,
    logits: numbers.subarray(at * width, (at + 1) * width - 3),
    admission: numbers.subarray((at + 1) * width - 3, (at + 1) * width),
  }))
  return { model: cases.model, vectors }
}
