/**
 * `manifest.json` beside weights: which models a folder holds, the digest of each file, and the words that
 * they were trained on. `readManifest` reads it; nothing here opens a model.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { ok, type Result, refuse } from '../../base/result.ts'

/** A file of the folder itself: no path leads out of it. */
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'expected a file name')

const weightsSchema = z.looseObject({
  model: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/),
  file: fileName,
  /** Of several trainings of a model, the one to be used; the first where none is said to be. */
  served: z.literal(true).optional(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits'),
  training: z.looseObject({
    flags: z.looseObject({
      /** What the model is told beside the words: nothing, classes of segments, or principals. */
      channel: z.enum(['none', 'segments', 'principal']),
      /** Whether it learned what takes effect. */
      admission: z.boolean(),
    }),
  }),
})
/** One file of weights. */
export type Weights = z.infer<typeof weightsSchema>

const manifestSchema = z.looseObject({
  /** The benchmark that the models were trained for: other words mean another model. */
  benchmark: z.string().min(1),
  /** Every word of the closed vocabulary; its id is its place. */
  words: z.array(z.string().min(1)).min(1).max(10_000),
  models: z.array(weightsSchema).min(1),
})
/** @see manifestSchema */
export type Manifest = z.infer<typeof manifestSchema>

/** The training that is used of a model: the one that is said to be, or the first. */
export function servedOf({ models }: Manifest, model: string): Weights | undefined {
  const trainings = models.filter((one) => one.model === model)
  return trainings.find(({ served }) => served) ?? trainings[0]
}

/** The manifest of a folder of weights. */
export async function readManifest(
  folder: string,
): Promise<Result<Manifest, { reason: 'weights_missing' | 'weights_damaged'; message: string }>> {
  let text: string
  try {
    text = await readFile(join(folder, 'manifest.json'), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return refuse({
      reason: 'weights_missing',
      message: 'expected `manifest.json` beside the weights, got nothing',
    })
  }
  const parsed = manifestSchema.safeParse(jsonOf(text))
  if (parsed.success) return ok(parsed.data)
  return refuse({
    reason: 'weights_damaged',
    message: `expected a manifest of weights, got ${z.prettifyError(parsed.error)}`,
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
