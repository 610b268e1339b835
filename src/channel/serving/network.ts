/**
 * A trained network as a function from tensors to numbers. `openNetwork` checks the weights' digest and makes
 * the session of the very bytes that it checked; `model.ts` makes a model of it.
 *
 * A run holds up the thread that asks for it for as long as it takes: the server asks in one that does nothing
 * else (`model-thread.ts`). Attention is quadratic, so the length is bounded.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-node'
import { type Digest, digestOf } from '../../base/bytes.ts'
import { ok, type Result, refuse } from '../../base/result.ts'
import { type ChannelTensors, PRINCIPAL_DIMENSIONS } from '../principal-model.ts'
import type { Weights } from './manifest.ts'
import { type Loading, loadRuntime, type Runtime } from './runtime.ts'

/** The most tokens of one run: sixty-four messages are about seven hundred. */
export const MAX_TOKENS = 1_024

/** Ordinals beside a token: authority 0 to 5, and 6 and 7 as room; kind 0 to 4. */
const AUTHORITIES = 8
const KINDS = 5

/** The admission head's classes. */
export const ADMISSION_CLASSES = 3

/** A network ready to run. */
export interface Network {
  readonly name: string
  readonly digest: Digest
  /** Runs once, over the whole length. */
  run(tensors: Omit<ChannelTensors, 'messageEnds'>): Promise<NetworkOutput>
}

/** What a network says at each position. */
export interface NetworkOutput {
  /** [T, V], row by row. */
  readonly logits: Float32Array
  /** [T, 3], row by row; absent where the network has no such head. */
  readonly admission?: Float32Array
}

/** Why a network cannot be opened. */
export type NetworkRefusal = {
  readonly reason: 'runtime_missing' | 'weights_missing' | 'weights_damaged'
  readonly message: string
}

const INPUTS = ['input_ids', 'authority', 'kind', 'principal_vec']

/** Opens the weights of `folder`; `words` is the size of the vocabulary. */
export async function openNetwork(
  weights: Weights,
  from: { readonly folder: string; readonly words: number; readonly load?: Loading },
): Promise<Result<Network, NetworkRefusal>> {
  const bytes = await bytesOf(join(from.folder, weights.file))
  if (bytes === undefined) {
    return refuse({
      reason: 'weights_missing',
      message: `expected \`${weights.file}\`, got nothing`,
    })
  }
  // Before the runtime reads a byte of it: its parser is not there to judge strangers' files.
  const digest = digestOf(bytes)
  if (digest !== `sha256:${weights.sha256}`) {
    return refuse({
      reason: 'weights_damaged',
      message: `expected \`${weights.file}\` to have \`sha256:${weights.sha256}\`, got \`${digest}\``,
    })
  }
  const runtime = await loadRuntime(from.load)
  if (!runtime.ok) return runtime
  const session = await runtime.value.InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  const strange = session.inputNames.filter((name) => !INPUTS.includes(name))
  if (strange.length > 0 || !session.outputNames.includes('logits')) {
    const seen = `inputs ${session.inputNames.join(', ')}, outputs ${session.outputNames.join(', ')}`
    return refuse({
      reason: 'weights_damaged',
      message: `expected inputs among ${INPUTS.join(', ')} and an output \`logits\`, got ${seen}`,
    })
  }
  const env = { session, runtime: runtime.value, words: from.words }
  return ok({ name: weights.model, digest, run: (tensors) => run(tensors, env) })
}

async function bytesOf(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function run(
  tensors: Omit<ChannelTensors, 'messageEnds'>,
  env: { readonly session: InferenceSession; readonly runtime: Runtime; readonly words: number },
): Promise<NetworkOutput> {
  const { session, runtime, words } = env
  checkTensors(tensors, words)
  const { Tensor } = runtime
  const length = tensors.inputIds.length
  const whole = (values: readonly number[]): InstanceType<typeof Tensor> =>
    new Tensor('int64', BigInt64Array.from(values, BigInt), [1, length])
  const feeds: Record<string, InstanceType<typeof Tensor>> = {
    input_ids: whole(tensors.inputIds),
    authority: whole(tensors.authority),
    kind: whole(tensors.kind),
    principal_vec: new Tensor('float32', tensors.principalVectors, [
      1,
      length,
      PRINCIPAL_DIMENSIONS,
    ]),
  }
  const asked = session.inputNames.map((name) => [name, feeds[name]])
  const answer = await session.run(Object.fromEntries(asked) as typeof feeds)
  const logits = numbers(answer['logits'], length * words)
  const admission = answer['admission']
  return {
    logits,
    ...(admission !== undefined && { admission: numbers(admission, length * ADMISSION_CLASSES) }),
  }
}

/** What a look-up in a table of embeddings would read beyond, or count from the end. */
function checkTensors(tensors: Omit<ChannelTensors, 'messageEnds'>, words: number): void {
  const { inputIds, authority, kind, principalVectors } = tensors
  const length = inputIds.length
  if (length < 1 || length > MAX_TOKENS) {
    throw new RangeError(`expected 1 to ${MAX_TOKENS} tokens, got ${length}`)
  }
  const aligned = authority.length === length && kind.length === length
  if (!aligned || principalVectors.length !== length * PRINCIPAL_DIMENSIONS) {
    throw new RangeError(`expected rows of ${length} tokens, got other lengths`)
  }
  const rows = [
    ['ids', inputIds, words],
    ['authority', authority, AUTHORITIES],
    ['kind', kind, KINDS],
  ] as const
  for (const [name, row, bound] of rows) {
    if (!row.every((value) => Number.isInteger(value) && value >= 0 && value < bound)) {
      throw new RangeError(`expected ${name} in [0, ${bound}), got others`)
    }
  }
}

function numbers(of: InferenceSession.ReturnType[string] | undefined, count: number): Float32Array {
  const data = of?.data
  if (!(data instanceof Float32Array) || data.length !== count) {
    throw new Error(`expected ${count} numbers from the network, got ${String(of?.dims)}`)
  }
  return data
}
