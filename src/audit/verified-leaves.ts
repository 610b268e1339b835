/**
 * The leaf hashes of a log, read from its tiles and believed only after they were folded to the signed
 * root.
 *
 * `verifiedLeaves` goes from the top down: the right edge is the root's word, and each hash in a tile is
 * the word on the tile below it. So the first tile that is wrong is known to be wrong.
 */

import { Finding } from './log-fault.ts'
import {
  edgeRoot,
  edgeTiles,
  perfectHash,
  splitTile,
  TILE_WIDTH,
  tilePath,
  type TilePlace,
  type TileSource,
} from './tile.ts'
import { equalHashes, HASH_BYTES, type Sha256 } from './tree.ts'
import type { TreeHead } from './tree-head.ts'

/** A level 0 tile: the hashes of at most 256 entries. */
export interface LeafTile {
  readonly index: number
  readonly hashes: readonly Uint8Array[]
}

/** The level 0 tiles in order, each after it was folded to the signed root. */
export async function* verifiedLeaves(
  source: TileSource,
  head: TreeHead,
  sha256: Sha256,
): AsyncGenerator<LeafTile> {
  const places = edgeTiles(head.size)
  const edge: (readonly Uint8Array[])[] = []
  for (const place of places) edge.push(await tileHashes(source, place))
  if (!equalHashes(await edgeRoot(edge, sha256), head.root)) {
    const path = places.map((place) => tilePath(place)).join(' ')
    throw new Finding('tile_altered', 'the right edge of the tree is not the one that was signed', {
      path,
    })
  }
  for (const [i, place] of places.entries()) {
    yield* leavesBelow({ level: place.level, index: place.index, hashes: edge[i] ?? [] })
  }

  async function* leavesBelow(
    tile: LeafTile & { readonly level: number },
  ): AsyncGenerator<LeafTile> {
    if (tile.level === 0) {
      yield tile
      return
    }
    for (const [offset, expected] of tile.hashes.entries()) {
      const index = tile.index * TILE_WIDTH + offset
      const place = { level: tile.level - 1, index, width: TILE_WIDTH }
      const hashes = await tileHashes(source, place)
      if (!equalHashes(await perfectHash(hashes, sha256), expected)) {
        const first = index * TILE_WIDTH ** tile.level
        const message = `the tile over entry ${first} and those after it is not the one that was signed`
        throw new Finding('tile_altered', message, { path: tilePath(place) })
      }
      yield* leavesBelow({ ...place, hashes })
    }
  }
}

async function tileHashes(source: TileSource, place: TilePlace): Promise<Uint8Array[]> {
  const path = tilePath(place)
  const bytes = await fetchTile(source, path)
  if (bytes === undefined) throw new Finding('tile_missing', `expected \`${path}\``, { path })
  if (bytes.length % HASH_BYTES !== 0 || splitTile(bytes).length < place.width) {
    throw new Finding('tile_altered', `expected ${place.width} hashes in \`${path}\``, { path })
  }
  return splitTile(bytes).slice(0, place.width)
}

/** C2SP tlog-tiles: a partial tile may be gone once the full one is there. */
export async function fetchTile(source: TileSource, path: string): Promise<Uint8Array | undefined> {
  return (await source(path)) ?? (await source(path.replace(/\.p\/\d+$/, '')))
}
