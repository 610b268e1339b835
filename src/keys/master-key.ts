/**
 * The master key: 32 bytes in a file that only its owner can read. Everything sealed opens with it,
 * so it is backed up apart from the database.
 */

import { constants } from 'node:fs'
import { link, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Random } from '../base/random.ts'
import type { MasterKey } from './seal.ts'

const KEY_BYTES = 32

/** The master key in `file`, made if there is none. Throws if others could read the file. */
export async function loadMasterKey(
  file: string,
  env: { readonly random: Random },
): Promise<MasterKey> {
  return (await read(file)) ?? (await create(file, env)) ?? missing(file)
}

async function read(file: string): Promise<MasterKey | undefined> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch(absent)
  if (handle === undefined) return undefined
  try {
    const { mode, size } = await handle.stat()
    if ((mode & 0o077) !== 0) {
      throw new Error(`expected mode 0600 on \`${file}\`, got 0${(mode & 0o777).toString(8)}`)
    }
    if (size !== KEY_BYTES)
      throw new Error(`expected ${KEY_BYTES} bytes in \`${file}\`, got ${size}`)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

/** Whole or not at all, and never over another's: two processes that start at once agree on one key. */
async function create(
  file: string,
  env: { readonly random: Random },
): Promise<MasterKey | undefined> {
  const draft = `${file}.${env.random.bytes(8).toString('hex')}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(env.random.bytes(KEY_BYTES))
    await handle.sync()
    await link(draft, file).catch(existing)
  } finally {
    await handle.close()
    await unlink(draft)
  }
  const folder = await open(dirname(file), constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
  return read(file)
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function existing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

function missing(file: string): never {
  throw new Error(`expected a master key in \`${file}\`, it vanished`)
}
