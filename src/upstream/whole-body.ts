/** The whole body of a response that is expected to be short. */

import type { IncomingMessage } from 'node:http'

/** A body that is longer than it may be. */
export class TooLarge extends Error {}

/** The bytes of a body. By events: an iterator costs more than everything else that is done with an answer. */
export async function wholeBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let size = 0
  const take = (chunk: Buffer): void => {
    size += chunk.length
    if (size > maxBytes) reject(new TooLarge())
    else chunks.push(chunk)
  }
  const finish = (): void => {
    if (response.complete)
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
    else reject(new Error('the answer broke off'))
  }
  response.on('data', take).once('end', finish).once('close', finish).once('error', reject)
  try {
    return await promise
  } finally {
    response.off('data', take).off('end', finish).off('close', finish)
  }
}
