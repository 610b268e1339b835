/**
 * The largest tree that was ever signed, kept away from the database.
 *
 * INVARIANT (append only): a database that was restored from a backup lies behind the mark or disagrees
 * with it; the log is then not signed on, and the operator has to be told.
 */

import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import type { TreeHead } from './tree-head.ts'
import { replaceFile } from './replace-file.ts'

/** Remembers a tree head across a loss of the database. */
export interface HighWaterMark {
  read(): Promise<TreeHead | undefined>
  /** Durable when it returns. */
  raise(head: TreeHead): Promise<void>
}

const mark = z.strictObject({
  size: z.int().nonnegative(),
  root: z.string().regex(/^[0-9a-f]{64}$/),
})

/** A mark in a file, beside the keys. */
export function fileHighWaterMark(file: string): HighWaterMark {
  return {
    async read() {
      const text = await readOrNothing(file)
      if (text === undefined) return undefined
      const { size, root } = parsed(text, file)
      return { size, root: Buffer.from(root, 'hex') }
    },
    async raise({ size, root }) {
      await replaceFile(
        file,
        `${JSON.stringify({ size, root: Buffer.from(root).toString('hex') })}\n`,
      )
    },
  }
}

function parsed(text: string, file: string): z.infer<typeof mark> {
  try {
    return mark.parse(JSON.parse(text))
  } catch (cause) {
    throw new Error(`expected a high-water mark in \`${file}\`, restore it from its backup`, {
      cause,
    })
  }
}

async function readOrNothing(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`the high-water mark \`${file}\` cannot be read`, { cause: error })
  }
}
