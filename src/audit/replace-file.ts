/** Replaces a file as a whole: after a crash it holds what it held before, or all of the new. */

import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes `text` to `file`, readable by its owner only, durable when it returns. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const fresh = `${file}.new`
  const handle = await open(fresh, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(fresh, file)
  // The name is only durable once its folder is.
  const folder = await open(dirname(file), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
