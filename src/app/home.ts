/** The home folder: one server at a time, nobody else inside. */

import { chmodSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { listenPrivately } from '../identity/private-socket.ts'

/** `sun_path` holds 107 bytes, and an agent's socket is `<home>/agents/<uuid>.sock`. */
const MAX_HOME_BYTES = 107 - '/agents/'.length - 36 - '.sock'.length

/**
 * Makes the home and claims it for this process; the returned function gives it back. A socket that
 * answers is the claim: it goes with the process, however that ends. Throws when another server has it.
 */
export async function claimHome(home: string): Promise<() => Promise<void>> {
  const length = Buffer.byteLength(home)
  if (length > MAX_HOME_BYTES) {
    throw new Error(
      `\`--home\`: expected a path of at most ${MAX_HOME_BYTES} bytes, because sockets lie in it, got ${length}`,
    )
  }
  mkdirSync(home, { recursive: true, mode: 0o700 })
  chmodSync(home, 0o700)
  const claim = createServer((socket) => socket.destroy())
  await listenPrivately(claim, join(home, 'serve.sock')).catch((cause: unknown) => {
    throw new Error(`cannot claim \`${home}\`: stop the server that runs on it`, { cause })
  })
  claim.unref()
  return async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    claim.close(() => resolve())
    await promise
  }
}
