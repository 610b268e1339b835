/**
 * A model in a thread of its own: `openModelThread`. The runtime computes on the thread that asks it, so a run
 * of 512 tokens on the server's would hold up everybody's requests for as long as it takes.
 *
 * At most `MOST_RUNS` runs wait or run at once; who comes then is told so before anything is recorded
 * (`take`). A run that does not end, or a thread that does, fails those that wait, and the next starts anew.
 */

import { Worker } from 'node:worker_threads'
import type { Clock } from '../../base/clock.ts'
import { ok, type Result } from '../../base/result.ts'
import type { ChannelOutput, ChannelTensors, Place, PrincipalModel } from '../principal-model.ts'
import { closedWords } from './closed-words.ts'
import { readManifest } from './manifest.ts'
import type { ModelRefusal } from './open-model.ts'

/** What the thread is started with. */
export interface Asked {
  readonly folder: string
  readonly name: string
}

/** What the thread says. */
export type Told =
  | { readonly type: 'opened'; readonly digest: string; readonly maxTokens: number }
  | { readonly type: 'refused'; readonly error: ModelRefusal }
  | { readonly type: 'ran'; readonly id: number; readonly output: ChannelOutput }
  | { readonly type: 'failed'; readonly id: number; readonly fault: Error }

/** Runs that wait or run: a few seconds of work. */
export const MOST_RUNS = 16
/** A run takes some tenths of a second at most; the runs before it as well. */
const LONGEST_MILLISECONDS = 30_000

/** Opens the model `name` of a folder of weights in a thread of its own. */
export async function openModelThread(
  folder: string,
  name: string,
  env: { readonly clock: Clock; readonly program?: URL },
): Promise<Result<PrincipalModel, ModelRefusal>> {
  const manifest = await readManifest(folder)
  if (!manifest.ok) return manifest
  const { words } = manifest.value
  const thread = new ModelThread({ folder, name }, env)
  const opened = await thread.opened()
  if (opened.type === 'refused') return { ok: false, error: opened.error }
  const { digest, maxTokens } = opened
  const places = new Places(MOST_RUNS)
  return ok({
    name,
    digest,
    maxTokens,
    tokenizer: () => closedWords(words),
    take: () => places.take(),
    run: (tensors) => thread.run(tensors),
  })
}

type Opened = Extract<Told, { type: 'opened' | 'refused' }>

interface Waiting {
  readonly resolve: (output: ChannelOutput) => void
  readonly reject: (fault: Error) => void
}

/** One thread at a time. */
class ModelThread {
  readonly #asked: Asked
  readonly #env: { readonly clock: Clock; readonly program?: URL }
  #worker: Worker | undefined
  #opened: PromiseWithResolvers<Opened> = Promise.withResolvers()
  #waiting = new Map<number, Waiting>()
  #runs = 0

  constructor(asked: Asked, env: { readonly clock: Clock; readonly program?: URL }) {
    this.#asked = asked
    this.#env = env
  }

  /** What the thread said when it was started. */
  async opened(): Promise<Opened> {
    if (this.#worker === undefined) this.#start()
    return await this.#opened.promise
  }

  async run(tensors: ChannelTensors): Promise<ChannelOutput> {
    const opened = await this.opened()
    const worker = this.#worker
    if (opened.type === 'refused' || worker === undefined)
      throw new Error('expected the model that was there, got none')
    const id = this.#runs++
    const { promise, resolve, reject } = Promise.withResolvers<ChannelOutput>()
    this.#waiting.set(id, { resolve, reject })
    // While somebody waits, the process does.
    worker.ref()
    const ended = new AbortController()
    void this.#endLate(worker, ended.signal)
    try {
      // oxlint-disable-next-line require-post-message-target-origin -- threads have no origin
      worker.postMessage({ id, tensors })
      return await promise
    } finally {
      ended.abort()
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) worker.unref()
    }
  }

  async #endLate(worker: Worker, ended: AbortSignal): Promise<void> {
    await this.#env.clock.sleep(LONGEST_MILLISECONDS, ended)
    if (!ended.aborted) await worker.terminate()
  }

  #start(): void {
    const program = this.#env.program ?? new URL('./model-worker.ts', import.meta.url)
    const worker = new Worker(program, { workerData: this.#asked })
    const opened = Promise.withResolvers<Opened>()
    this.#worker = worker
    this.#opened = opened
    worker.on('message', (told: Told) => {
      if (told.type === 'opened' || told.type === 'refused') {
        worker.unref()
        if (told.type === 'refused') void worker.terminate()
        return opened.resolve(told)
      }
      const waiting = this.#waiting.get(told.id)
      if (told.type === 'ran') waiting?.resolve(told.output)
      else waiting?.reject(told.fault)
    })
    const end = (fault: Error): void => {
      if (this.#worker === worker) this.#worker = undefined
      opened.reject(fault)
      for (const { reject } of this.#waiting.values()) reject(fault)
    }
    // Nobody may be asking for it by then.
    opened.promise.catch(() => undefined)
    worker.on('error', end)
    worker.on('exit', (code) =>
      end(new Error(`expected the thread of a model to go on, it ended with ${code}`)),
    )
  }
}

/** So many places; whoever has one gives it back once. */
class Places {
  #left: number

  constructor(places: number) {
    this.#left = places
  }

  take(): Place | undefined {
    if (this.#left === 0) return undefined
    this.#left--
    let isHeld = true
    return {
      leave: () => {
        if (isHeld) this.#left++
        isHeld = false
      },
    }
  }
}
