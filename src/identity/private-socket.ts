/**
 * A unix socket that nobody but this uid can reach: `listenPrivately`. The folder is 0700 before the
 * socket is there, so it is never open to others, not even while it is made.
 */

import { chmod, lstat, mkdir, rm } from 'node:fs/promises'
import { connect, type Server, type Socket } from 'node:net'
import { userInfo } from 'node:os'
import { dirname } from 'node:path'

/** What `sun_path` holds besides its final NUL (unix(7)). */
const MAX_PATH_BYTES = 107

/** Listens on `path`. Throws if the folder is open to others, or another server answers there. */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  const length = Buffer.byteLength(path)
  if (length > MAX_PATH_BYTES) {
    throw new RangeError(
      `expected a socket path of at most ${MAX_PATH_BYTES} bytes, got ${length}: \`${path}\``,
    )
  }
  await ownFolder(dirname(path))
  await removeStale(path)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(path, resolve)
  await promise
  server.off('error', reject)
  await chmod(path, 0o600)
}

async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const found = await lstat(folder)
  if (!found.isDirectory() || found.uid !== userInfo().uid || (found.mode & 0o077) !== 0) {
    throw new Error(`expected \`${folder}\` to be a folder of ours with mode 0700`)
  }
}

/** A socket that a crash left behind answers nobody. */
async function removeStale(path: string): Promise<void> {
  if (await answers(path))
    throw new Error(`expected \`${path}\` to be free, a server answers there`)
  await rm(path, { force: true })
}

async function answers(path: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const socket: Socket = connect(path, () => resolve(true))
  socket.once('error', (error: NodeJS.ErrnoException) =>
    error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? resolve(false) : reject(error),
  )
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}
