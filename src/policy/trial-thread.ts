/** The thread of `trial.ts`: one trial, and it ends. */

import { parentPort, workerData } from 'node:worker_threads'
import { runTrial, type Trial } from './trial.ts'

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
parentPort?.postMessage(runTrial(workerData as Trial))
