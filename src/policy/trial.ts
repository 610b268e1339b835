/**
 * What is tried of a version by thousands of decisions: its tests, its properties, and the requests that
 * it alone permits.
 *
 * Call `onThread`: the server's own thread goes on answering, and no transaction is open meanwhile. What
 * was tried is named by its digests; who publishes compares them under the lock (`activate.ts`). Trials
 * take turns, each on a thread that ends with it; beyond `MOST_TRIALS` the next is refused, since each
 * may hold a megabyte of policies while it waits. `runTrial` is what that thread does.
 */

import { Worker } from 'node:worker_threads'
import { SeededRandom } from '../base/random.ts'
import { must, ok, refuse, type Result } from '../base/result.ts'
import { compilePolicies, type PolicySources } from '../decision/compile.ts'
import { tryProperties, type PropertyTried } from './counterexample.ts'
import { newlyPermitted, type Difference } from './newly-permitted.ts'
import { runTests } from './run-tests.ts'
import type { TestTexts } from './version.ts'

/** Policies that compile, and what is to be tried of them. */
export interface Trial {
  readonly sources: PolicySources
  readonly tests: TestTexts
  /** The policies to compare with. */
  readonly before?: PolicySources
}

/** What came of it. */
export interface Tried {
  /** What fails of the tests. */
  readonly failures: readonly string[]
  /** Which properties are broken, and how far the others were tried. */
  readonly broken: readonly string[]
  readonly properties: readonly PropertyTried[]
  /** What these policies permit beyond those before them. */
  readonly difference: Difference
}

/** Trials that wait or run: a few minutes of work at worst. */
export const MOST_TRIALS = 8
/** A megabyte of policies takes less than this. */
const MOST_MEGABYTES = 1_024

let underWay = 0
let last: Promise<unknown> = Promise.resolve()

/** Tries on a thread of its own, when those before are done; refused where too many are before. */
export async function onThread(trial: Trial): Promise<Result<Tried>> {
  if (underWay === MOST_TRIALS) {
    const message = `expected fewer than ${MOST_TRIALS} trials of policies under way: ask again`
    return refuse({ reason: 'trials_busy', message })
  }
  underWay++
  const mine = last.then(() => tryOn(trial))
  last = mine.catch(() => undefined)
  try {
    return ok(await mine)
  } finally {
    underWay--
  }
}

async function tryOn(trial: Trial): Promise<Tried> {
  const worker = new Worker(new URL('trial-thread.ts', import.meta.url), {
    workerData: trial,
    // Nothing of the server's is anything to it.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: MOST_MEGABYTES },
  })
  try {
    return await new Promise<Tried>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', (cause) => reject(new Error('a trial of policies failed', { cause })))
      worker.once('exit', (code) => reject(new Error(`a trial of policies ended with ${code}`)))
    })
  } finally {
    await worker.terminate()
  }
}

/** Tries at once. */
export function runTrial({ sources, tests, before }: Trial): Tried {
  const policies = must(compilePolicies(sources))
  const { failures, invalid } = runTests(tests, policies)
  const { problems: broken, tried: properties } = tryProperties(tests, policies)
  return {
    failures: [
      ...invalid,
      ...failures.map(({ file, name, message }) => `${file}: \`${name}\`: ${message}`),
    ],
    broken,
    properties,
    difference:
      before === undefined
        ? { found: [], tried: 0 }
        : newlyPermitted(must(compilePolicies(before)), policies, {
            // The same for everybody who tries this version.
            random: new SeededRandom(policies.version),
          }),
  }
}
