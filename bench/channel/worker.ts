/** One worker of `npm run bench:channel`: does the jobs that it is sent, one at a time. */

import { parentPort, workerData } from 'node:worker_threads'
import { must } from '../../src/base/result.ts'
import { readManifest } from '../../src/channel/serving/manifest.ts'
import { type Network, openNetwork } from '../../src/channel/serving/network.ts'
import { done, type Job } from './job.ts'

const { folder } = workerData as { readonly folder: string }
const { models, words } = must(await readManifest(folder))
const open = new Map<string, Network>()

parentPort?.on('message', (job: Job) => void work(job))

async function work(job: Job): Promise<void> {
  parentPort?.postMessage(await done(job, await networkOf(job.file)), [])
}

async function networkOf(file: string): Promise<Network> {
  const weights = models.find((each) => each.file === file)
  if (weights === undefined) throw new Error(`expected \`${file}\` in the manifest, got none`)
  const network =
    open.get(file) ?? must(await openNetwork(weights, { folder, words: words.length }))
  open.set(file, network)
  return network
}
