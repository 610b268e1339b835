/** What a witness remembers, in one file. One process owns it. */

import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { replaceFile } from './replace-file.ts'
import type { TreeHead } from './tree-head.ts'
import type { WitnessState } from './witness.ts'

const stateSchema = z.record(
  z.string(),
  z.strictObject({ size: z.int().nonnegative(), root: z.string().regex(/^[0-9a-f]{64}$/) }),
)
type Kept = z.infer<typeof stateSchema>

/** Opens the state in `file`, which is made when the first checkpoint was cosigned. */
export async function openWitnessState(file: string): Promise<WitnessState> {
  let kept = await load(file)
  let writing: Promise<unknown> = Promise.resolve()
  const read = (origin: string): TreeHead | undefined => {
    const head = Object.hasOwn(kept, origin) ? kept[origin] : undefined
    return head && { size: head.size, root: Buffer.from(head.root, 'hex') }
  }
  const advance = async (
    origin: string,
    last: TreeHead | undefined,
    next: TreeHead,
  ): Promise<boolean> => {
    if (!isSame(read(origin), last)) return false
    const moved = {
      ...kept,
      [origin]: { size: next.size, root: Buffer.from(next.root).toString('hex') },
    }
    await replaceFile(file, `${JSON.stringify(moved, undefined, 2)}\n`)
    kept = moved
    return true
  }
  return {
    read: async (origin) => read(origin),
    advance(origin, last, next) {
      // One after the other, so that what was compared is still so when it is replaced.
      const moving = writing.then(() => advance(origin, last, next))
      writing = moving.catch(() => undefined)
      return moving
    },
  }
}

async function load(file: string): Promise<Kept> {
  try {
    return stateSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new Error('the state of the witness cannot be read', { cause: error })
  }
}

function isSame(a: TreeHead | undefined, b: TreeHead | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.size === b.size && Buffer.compare(a.root, b.root) === 0
}
