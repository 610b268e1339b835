/** Writes episodes as records to a file, one behind the other, and says what was written. */

import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'

/** A file of records: how many, how large, and its SHA-256 in hexadecimal. */
export interface Written {
  readonly episodes: number
  readonly bytes: number
  readonly sha256: string
}

export function writeRecords(path: string, records: Iterable<Uint8Array>): Written {
  const hash = createHash('sha256')
  const file = openSync(path, 'w')
  let episodes = 0
  let bytes = 0
  for (const record of records) {
    hash.update(record)
    writeSync(file, record)
    episodes++
    bytes += record.length
  }
  closeSync(file)
  return { episodes, bytes, sha256: hash.digest('hex') }
}
