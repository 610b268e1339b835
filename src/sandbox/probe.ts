/** Whether bubblewrap works on this machine, for this user: tried once, with a jail of the real kind. */

import type { Readable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { killGroup, launched, type Launch } from './launch.ts'

const PROBE_MILLISECONDS = 5_000
const worked = new Set<string>()

/** Runs `probe`, called `name`, to its end: undefined if it went well (once is enough), else why not. */
export async function tried(
  name: string,
  probe: Launch,
  clock: Clock,
): Promise<string | undefined> {
  const key = JSON.stringify([name, probe.command, probe.identity !== undefined])
  if (worked.has(key)) return undefined
  const fault = await run(probe, clock)
  if (fault === undefined) worked.add(key)
  return fault
}

async function run(probe: Launch, clock: Clock): Promise<string | undefined> {
  const started = await launched(probe, {}).catch((fault: Error) => fault)
  if (started instanceof Error) return started.message
  const { child, pid, stdin, stdout, stderr } = started
  const ended = new AbortController()
  const { promise: exit, resolve } = Promise.withResolvers<number | null>()
  child.once('exit', (code) => {
    ended.abort()
    resolve(code)
  })
  void clock
    .sleep(PROBE_MILLISECONDS, ended.signal)
    .then(() => (ended.signal.aborted ? undefined : killGroup(pid)))
  started.open()
  stdin.end()
  stdout.resume()
  const [said, code] = await Promise.all([complaint(stderr), exit])
  return code === 0 ? undefined : (said ?? `the jail ended with ${code ?? 'a signal'}`)
}

/** The line that names the error: bubblewrap's own, or that of what runs in it. */
async function complaint(stderr: Readable): Promise<string | undefined> {
  let text = ''
  for await (const chunk of stderr) text = (text + String(chunk)).slice(0, 4_096)
  return text.split('\n').find((line) => /^(bwrap|prlimit)\b/.test(line))
}
