/** Programs that a bench measures itself against, each in a process of its own. */

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A program that serves. */
export interface Peer {
  readonly url: string
  stop(): Promise<void>
}

/** Starts `peers/<name>.ts`, which prints `{"url": …}` once it serves. */
export async function startPeer(name: string, ...args: string[]): Promise<Peer> {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, `peers/${name}.ts`),
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) =>
      resolve((JSON.parse(line) as { url: string }).url),
    )
    void closed.then(() => reject(new Error(`\`${name}\` ended before it served`)))
  })
  return {
    url,
    async stop() {
      child.kill()
      await closed
    },
  }
}
