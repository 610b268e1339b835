/**
 * `npm run bench:channel -- --latency`: how long a model takes for one answer, on one thread. The floor is the
 * same runtime and file on tensors that lie ready, so the ratio is what checking and copying cost.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must } from '../../src/base/result.ts'
import type { Weights } from '../../src/channel/serving/manifest.ts'
import { openNetwork } from '../../src/channel/serving/network.ts'
import { loadRuntime } from '../../src/channel/serving/runtime.ts'
import { type Round, type Row, rowOf } from '../rows.ts'
import { Chance } from './chance.ts'
import { KIND, VECTOR_LENGTH } from './vocabulary.ts'

const LENGTHS = [64, 128, 256, 512]
const ROUNDS = 7

/** Wall time and processor time for each length. */
export async function measureLatency(
  weights: Weights,
  folder: string,
  words: number,
): Promise<Row[]> {
  const rows: Row[] = []
  for (const length of LENGTHS) {
    const [ours, floor] = await runners(weights, { folder, words, length })
    const runs = Math.ceil(4_000 / length)
    const wall: Round<'ours' | 'floor'>[] = []
    const processor: Round<'ours' | 'floor'>[] = []
    for (let round = -1; round < ROUNDS; round++) {
      const first = await timed(floor, runs)
      const second = await timed(ours, runs)
      if (round < 0) continue
      wall.push({ floor: first.wall, ours: second.wall })
      processor.push({ floor: first.processor, ours: second.processor })
    }
    const named = `${weights.model}, ${length} tokens`
    const aim = length === 128 ? { aim: '≤ 3 ms' } : {}
    const beside = { name: 'the runtime alone', of: 'floor' } as const
    rows.push(
      rowOf(wall, { name: named, of: 'ours', unit: 'ms', ...aim }, beside),
      rowOf(processor, { name: '… of the processor', of: 'ours', unit: 'ms', ...aim }, beside),
    )
  }
  return rows
}

type Runner = () => Promise<unknown>

async function runners(
  weights: Weights,
  {
    folder,
    words,
    length,
  }: { readonly folder: string; readonly words: number; readonly length: number },
): Promise<[ours: Runner, floor: Runner]> {
  const chance = new Chance(`latency ${length}`)
  const row = (below: number): number[] => Array.from({ length }, () => chance.below(below))
  const tensors = {
    inputIds: row(words),
    authority: row(6),
    kind: row(Object.keys(KIND).length),
    principalVectors: Float32Array.from({ length: length * VECTOR_LENGTH }, () =>
      chance.happens(0.5) ? 1 / 8 : -1 / 8,
    ),
  }
  const network = must(await openNetwork(weights, { folder, words }))
  const { InferenceSession, Tensor } = must(await loadRuntime())
  const session = await InferenceSession.create(await readFile(join(folder, weights.file)), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  })
  const whole = (values: readonly number[]): InstanceType<typeof Tensor> =>
    new Tensor('int64', BigInt64Array.from(values, BigInt), [1, length])
  const ready: Record<string, InstanceType<typeof Tensor>> = {
    input_ids: whole(tensors.inputIds),
    authority: whole(tensors.authority),
    kind: whole(tensors.kind),
    principal_vec: new Tensor('float32', tensors.principalVectors, [1, length, VECTOR_LENGTH]),
  }
  const feeds = Object.fromEntries(
    Object.entries(ready).filter(([name]) => session.inputNames.includes(name)),
  )
  return [() => network.run(tensors), () => session.run(feeds)]
}

/** The median wall time and the mean processor time of one run, in milliseconds. */
async function timed(
  run: Runner,
  runs: number,
): Promise<{ readonly wall: number; readonly processor: number }> {
  const each: number[] = []
  const before = process.cpuUsage()
  for (let done = 0; done < runs; done++) {
    const started = performance.now()
    await run()
    each.push(performance.now() - started)
  }
  const { user, system } = process.cpuUsage(before)
  const wall = each.toSorted((a, b) => a - b)[runs >> 1] ?? 0
  return { wall, processor: (user + system) / 1_000 / runs }
}
