/**
 * This process among the others of its installation: names its calls, and knows which processes ran on
 * this home before, whose calls it answers for (`gateway/recover.ts`).
 */

import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { replaceFile } from '../audit/replace-file.ts'
import type { Random } from '../base/random.ts'

/** One process of the installation. */
export interface Instance {
  /** `<instance>.<number>`: which process made the call, and which of its calls. */
  readonly nextCall: () => string
  /** This process and the former ones of its home whose calls are not settled yet. */
  readonly names: ReadonlySet<string>
  /** Forgets the former ones, once their calls are settled. */
  settled(): Promise<void>
}

const kept = z.array(z.string())

/** Names this process, and remembers its name in `file` before it makes a call. */
export async function openInstance(
  file: string,
  env: { readonly random: Random },
): Promise<Instance> {
  const name = env.random.bytes(6).toString('hex')
  const names = [...(await readFormer(file)), name]
  await replaceFile(file, JSON.stringify(names))
  let calls = 0
  return {
    nextCall: () => `${name}.${++calls}`,
    names: new Set(names),
    settled: () => replaceFile(file, JSON.stringify([name])),
  }
}

async function readFormer(file: string): Promise<string[]> {
  try {
    return kept.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== undefined && code !== 'ENOENT') throw cause
    // Calls of a process whose name is lost are settled once nobody can be busy with them any more.
    return []
  }
}
