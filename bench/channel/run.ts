/**
 * `npm run bench:channel`: who said what, and what attackers get, from Node alone on the exported models.
 *
 * `-- --json` prints one object per set and model. `--models principal,text` (or `all`) and
 * `--sets held-out,adaptive` choose; `--seed 7` draws fresh cases; `--cases 600` are the questions or attacks
 * of a set, over all trainings of a model; `--episodes 100 --tries 500` the searches; `--quick` measures a
 * tenth. `principal+policy` and `principal+fold` are the model with the control plane behind it. `--open` is the
 * stage of open text, with its own sets and models. `--latency` times an answer instead. `README.md` has the sets.
 */

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { readManifest, servedOf } from '../../src/channel/serving/manifest.ts'
import { loadRuntime } from '../../src/channel/serving/runtime.ts'
import type { Job, Outcome } from './job.ts'
import { isSearch } from './job.ts'
import { type Row as TimeRow, tableOf as timesOf } from '../rows.ts'
import { measureLatency } from './latency.ts'
import { type Row, rowsOf, tablesOf } from './rows.ts'
import { CLOSED, OPEN } from './stages.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    seed: { type: 'string', default: 'held-out 1' },
    open: { type: 'boolean', default: false },
    weights: { type: 'string' },
    models: { type: 'string' },
    sets: { type: 'string' },
    cases: { type: 'string', default: '600' },
    episodes: { type: 'string', default: '100' },
    tries: { type: 'string', default: '500' },
    latency: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(Math.min(8, availableParallelism())) },
  },
})

const started = performance.now()
const stage = values.open ? OPEN : CLOSED
const { weights: folder = stage.weights, seed } = values
const part = values.quick ? 0.1 : 1
// Before any worker starts: what is missing is said once, with the command that brings it.
const missing = await loadRuntime()
const manifest = await readManifest(folder)
if (!missing.ok || !manifest.ok) {
  console.error(
    [missing, manifest].flatMap((one) => (one.ok ? [] : [one.error.message])).join('\n'),
  )
  process.exit(1)
}
const { benchmark, words, models } = manifest.value
if (benchmark !== stage.version || words.join(' ') !== stage.words.join(' ')) {
  console.error(`expected weights for \`${stage.version}\` and its words, got \`${benchmark}\``)
  process.exit(1)
}

const known = [...new Set(models.map((one) => one.model))]
const names = values.models === 'all' ? known : (values.models?.split(',') ?? usual(known))
const sets =
  values.sets === undefined
    ? stage.sets
    : stage.sets.filter((set) => values.sets?.split(',').includes(set))
const unknown = [
  ...names.filter((name) => !models.some((one) => one.model === name)),
  ...(values.sets?.split(',').filter((set) => !stage.sets.some((one) => one === set)) ?? []),
]
if (unknown.length > 0) {
  console.error(`expected models and sets that there are, got \`${unknown.join('`, `')}\``)
  process.exit(1)
}

if (values.latency) {
  const timed: TimeRow[] = []
  for (const name of names) {
    const one = servedOf(manifest.value, name)
    if (one !== undefined) timed.push(...(await measureLatency(one, folder, words.length)))
  }
  console.log(values.json ? timed.map((row) => JSON.stringify(row)).join('\n') : timesOf(timed))
  process.exit()
}

const jobs = sets.flatMap((set) => names.flatMap((name) => jobsOf(set, name)))
const rows: Row[] = []
const outcomes = new Map<Job, Outcome>()
await work()
if (!values.json) {
  const seconds = ((performance.now() - started) / 1_000).toFixed(0)
  console.log(`${tablesOf(inOrder())}\n\nseed \`${seed}\`, ${seconds} s, ${values.workers} workers`)
}

/** The served model beside the two baselines, as far as there are weights. */
function usual(of: readonly string[]): string[] {
  return ['text', 'ise3', 'principal'].filter((name) => of.includes(name))
}

/** A set on every training of a model. */
function jobsOf(set: Job['set'], name: string): Job[] {
  const files = models.filter((one) => one.model === name)
  const cases = Number(isSearch(set) ? values.episodes : values.cases) * part
  return files.map((one, at) => ({
    isOpen: stage.isOpen,
    set,
    file: one.file,
    model: name,
    n: Math.max(1, Math.ceil(cases / files.length)),
    tries: Math.ceil(Number(values.tries)),
    // Each training is asked other cases.
    seed: at === 0 ? seed : `${seed} ${at}`,
  })) as Job[]
}

async function work(): Promise<void> {
  const left = [...jobs]
  const count = Math.min(Number(values.workers), left.length)
  await Promise.all(Array.from({ length: count }, () => oneWorker(left)))
}

async function oneWorker(left: Job[]): Promise<void> {
  const worker = new Worker(join(import.meta.dirname, 'worker.ts'), { workerData: { folder } })
  try {
    for (let job = left.shift(); job !== undefined; job = left.shift()) {
      outcomes.set(job, await outcomeOf(worker, job))
      tell(job)
    }
  } finally {
    await worker.terminate()
  }
}

async function outcomeOf(worker: Worker, job: Job): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.postMessage(job, [])
  try {
    return await promise
  } finally {
    worker.off('message', resolve)
    worker.off('error', reject)
  }
}

/** Says a set on a model once all its trainings are through. */
function tell({ set, model }: Job): void {
  const same = jobs.filter((job) => job.set === set && job.model === model)
  const counted = same.flatMap((job) => outcomes.get(job) ?? [])
  if (counted.length < same.length) return
  const told = rowsOf({ set, model }, counted)
  rows.push(...told)
  if (values.json) for (const row of told) console.log(JSON.stringify(row))
  else if (process.stderr.isTTY) {
    process.stderr.write(`\r${outcomes.size}/${jobs.length} ${set} ${model}`.padEnd(60))
  }
}

/** By set, and by model as they were asked for: workers end in any order. */
function inOrder(): readonly Row[] {
  const order = new Map(jobs.map(({ set, model }, at) => [`${set} ${model}`, at]))
  const placeOf = ({ set, model }: Row): number =>
    order.get(`${set.replace(/:.*$/, '')} ${model.replace(/\+.*$/, '')}`) ?? 0
  return rows.toSorted((one, other) => placeOf(one) - placeOf(other))
}
