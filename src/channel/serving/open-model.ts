/**
 * The models of `model/weights/` behind the port `PrincipalModel`: call `openPrincipalModel`.
 *
 * A model is served only if its weights are the ones that the manifest names, and if it was trained with the
 * channel and to say what it admits: a baseline of the benchmark is none.
 */

import { ok, type Result, refuse } from '../../base/result.ts'
import type {
  Admission,
  ChannelOutput,
  ChannelTensors,
  PrincipalModel,
} from '../principal-model.ts'
import { closedWords } from './closed-words.ts'
import { readManifest, servedOf } from './manifest.ts'
import { ADMISSION_CLASSES, MAX_TOKENS, type Network, openNetwork } from './network.ts'
import type { Loading } from './runtime.ts'

/** Why a model cannot be had. */
export type ModelRefusal = {
  readonly reason: 'runtime_missing' | 'weights_missing' | 'weights_damaged' | 'no_such_model'
  readonly message: string
}

/** The admission head's classes, in its order. */
const ADMISSIONS: readonly Admission[] = ['refused', 'takes_effect', 'not_a_directive']

/** Opens the model `name` of a folder of weights. */
export async function openPrincipalModel(
  folder: string,
  name: string,
  load?: Loading,
): Promise<Result<PrincipalModel, ModelRefusal>> {
  const manifest = await readManifest(folder)
  if (!manifest.ok) return manifest
  const { models, words } = manifest.value
  const weights = servedOf(manifest.value, name)
  if (weights === undefined) {
    const known = [...new Set(models.map((each) => `\`${each.model}\``))].join(', ')
    return refuse({ reason: 'no_such_model', message: `expected one of ${known}, got \`${name}\`` })
  }
  const { channel, admission } = weights.training.flags
  if (channel !== 'principal' || !admission) {
    return refuse({
      reason: 'no_such_model',
      message: `expected a model that is told who speaks and says what it admits, got \`${name}\``,
    })
  }
  const network = await openNetwork(weights, {
    folder,
    words: words.length,
    ...(load !== undefined && { load }),
  })
  if (!network.ok) return network
  return ok({
    name,
    digest: network.value.digest,
    maxTokens: MAX_TOKENS,
    tokenizer: () => closedWords(words),
    take: () => ({ leave: () => undefined }),
    run: (tensors) => say(tensors, network.value, words.length),
  })
}

async function say(
  tensors: ChannelTensors,
  network: Network,
  words: number,
): Promise<ChannelOutput> {
  const { logits, admission } = await network.run(tensors)
  if (admission === undefined) throw new Error(`expected \`${network.name}\` to admit, got no head`)
  const at = (position: number): Admission => {
    if (!Number.isInteger(position) || position < 0 || position >= tensors.inputIds.length) {
      throw new RangeError(`expected the end of a message, got ${position}`)
    }
    const from = position * ADMISSION_CLASSES
    const scores = admission.subarray(from, from + ADMISSION_CLASSES)
    // Ties and NaN admit nothing.
    const best = ADMISSIONS.findIndex((_, one) =>
      scores.every((score, other) => other === one || (scores[one] ?? NaN) > score),
    )
    return ADMISSIONS[best] ?? 'refused'
  }
  return { admission: tensors.messageEnds.map(at), logits: logits.slice(-words) }
}
