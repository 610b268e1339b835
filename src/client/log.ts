/** The log over HTTP, for auditors: a tile source that `audit/verify.ts` reads. */

import type { TileSource } from '../audit/tile.ts'

/** The installation does not show its log to who asks. */
export class TileRefused extends Error {
  readonly status: 401 | 403

  constructor(path: string, status: 401 | 403) {
    super(`\`/log/${path}\` answered ${status}`)
    this.status = status
  }
}

/** Reads checkpoint and tiles from an installation, as a signed-in person; throws `TileRefused` to others. */
export function httpTileSource(options: {
  readonly url: string
  readonly session: string
}): TileSource {
  return async (path) => {
    const response = await fetch(`${options.url}/log/${path}`, {
      headers: { authorization: `Bearer ${options.session}` },
    })
    if (response.status === 404) return undefined
    const { status } = response
    if (status === 401 || status === 403) throw new TileRefused(path, status)
    if (!response.ok) throw new Error(`\`/log/${path}\` answered ${status}`)
    return new Uint8Array(await response.arrayBuffer())
  }
}
