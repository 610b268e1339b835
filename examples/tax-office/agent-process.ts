/** The agent's process as the demo sees it: phases in, attempts out. */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Attempt } from './agent.ts'

/** A running agent. */
export interface AgentProcess {
  /** Tells it to go through a phase of its script; everything that it attempted. */
  phase(name: string): Promise<readonly Attempt[]>
  stop(): Promise<void>
}

/** Starts the scripted agent with nothing but `environment`. */
export function startAgent(environment: Readonly<Record<string, string>>): AgentProcess {
  const script = join(import.meta.dirname, 'agent.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...environment },
  })
  const said: Attempt[] = []
  const waiting: {
    resolve: (attempts: readonly Attempt[]) => void
    reject: (fault: Error) => void
  }[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const attempt = JSON.parse(line) as Attempt
    if (attempt.what === 'done') waiting.shift()?.resolve(said.splice(0))
    else said.push(attempt)
  })
  const { promise: closed, resolve: end } = Promise.withResolvers<void>()
  child.once('close', () => {
    end()
    for (const waiter of waiting.splice(0)) waiter.reject(new Error('the agent ended'))
  })
  return {
    phase: (name) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        child.stdin.write(`${name}\n`)
      }),
    stop: async () => {
      child.stdin.end()
      await endOf(child, closed)
    },
  }
}

async function endOf(child: ChildProcess, closed: Promise<void>): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), 3_000)
  await closed
  clearTimeout(timer)
}
