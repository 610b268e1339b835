/** The log over HTTP, for auditors: a tile source that `audit/verify.ts` reads. */

import type { TileSource } from '../audit/tile.ts'

/** Reads checkpoint and tiles from an installation, as a signed-in person. */
export function httpTileSource(options: {
  readonly url: string
  readonly session: string
}): TileSource {
  return async (path) => {
    const response = await fetch(`${options.url}/log/${path}`, {
      headers: { authorization: `Bearer ${options.session}` },
    })
    if (response.status === 404) return undefined
    if (!response.ok) throw new Error(`\`/log/${path}\` answered ${response.status}`)
    return new Uint8Array(await response.arrayBuffer())
  }
}
