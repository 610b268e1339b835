/** The recorded suites: tasks, injections, tools and runs, parsed. */

import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import * as z from 'zod'

const json = z.record(z.string(), z.json())
const call = z.object({
  function: z.string(),
  args: json,
  result: z.string().default(''),
  injection_vectors_in_result: z.array(z.string()).default([]),
})
const suite = z.object({
  tools: z.array(z.object({ name: z.string(), description: z.string(), input_schema: json })),
  user_tasks: z.array(z.object({ id: z.string(), prompt: z.string(), calls: z.array(call) })),
  injection_tasks: z.array(z.object({ id: z.string(), goal: z.string(), calls: z.array(call) })),
})
const run = z.object({
  model: z.string(),
  suite: z.string(),
  user_task: z.string(),
  injection_task: z.string().nullish(),
  replayed: z.object({ utility: z.boolean(), attack_success: z.boolean().nullish() }),
  calls: z.array(call.extend({ error: z.string().nullish() })),
  needed_for_utility: z.array(z.int()).nullish(),
  critical_for_attack: z.array(z.int()).nullish(),
})

/** One suite. */
export type Suite = z.infer<typeof suite>
/** A call of a task, an injection or a run. */
export type RecordedCall = z.infer<typeof call>
/** One recorded run of a model. */
export type Run = z.infer<typeof run>

/** The suites in a folder, by name. */
export async function readSuites(folder: string): Promise<Map<string, Suite>> {
  const text = await readFile(join(folder, 'tasks.json'), 'utf8')
  const { suites } = z.object({ suites: z.record(z.string(), suite) }).parse(JSON.parse(text))
  return new Map(Object.entries(suites))
}

/** The recorded runs in a folder. */
export async function readRuns(folder: string): Promise<Run[]> {
  const file = createReadStream(join(folder, 'traces.jsonl.gz')).pipe(createGunzip())
  const runs: Run[] = []
  for await (const line of createInterface({ input: file })) {
    if (line !== '') runs.push(run.parse(JSON.parse(line)))
  }
  return runs
}
