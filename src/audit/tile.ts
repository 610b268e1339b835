/**
 * The tree cut into tiles of 256 hashes, and entries into bundles (C2SP tlog-tiles).
 *
 * A `TileSource` serves both by path. `growTree` is the writer's side: it extends a tree by leaf hashes
 * and says which tiles that made. `subtreeReader` is the reader's side: any perfect subtree's hash, from
 * which `proof.ts` builds proofs. It believes the tiles; who must not, verifies what it builds.
 */

import type { SubtreeHash } from './proof.ts'
import { foldPeaks, HASH_BYTES, nodeInput, type Sha256 } from './tree.ts'

/** How many hashes a full tile holds. */
export const TILE_WIDTH = 256

/** The bytes at a path below the log's prefix (`checkpoint`, `tile/0/x001/234`), if there are any. */
export type TileSource = (path: string) => Promise<Uint8Array | undefined>

/** Where a tile or a bundle of entries stands, and how many hashes or entries it holds. */
export interface TilePlace {
  readonly level: number | 'entries'
  readonly index: number
  readonly width: number
}

/** The path of a tile: `tile/<L>/<N>[.p/<W>]`. @see C2SP tlog-tiles, Merkle Tree */
export function tilePath({ level, index, width }: TilePlace): string {
  const groups: string[] = []
  let rest = index
  do {
    groups.unshift(String(rest % 1000).padStart(3, '0'))
    rest = Math.floor(rest / 1000)
  } while (rest > 0)
  const number = groups.map((g, i) => (i < groups.length - 1 ? `x${g}` : g)).join('/')
  return `tile/${level}/${number}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

const PATH =
  /^tile\/(entries|0|[1-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/

/** The place that a path names; undefined if it is not exactly what `tilePath` writes. */
export function parseTilePath(path: string): TilePlace | undefined {
  const [, level, number, width] = PATH.exec(path) ?? []
  if (level === undefined || number === undefined) return undefined
  const place = {
    level: level === 'entries' ? level : Number(level),
    index: Number(number.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  } as const
  return tilePath(place) === path ? place : undefined
}

/** How many hashes the tile at `level` and `index` holds in a tree of `size`; 0 if it is not in it. */
export function tileWidth(level: number, index: number, size: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level)
  return Math.max(0, Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH))
}

/** The partial tiles on the right edge of a tree of `size`, the topmost first. */
export function edgeTiles(size: number): (TilePlace & { readonly level: number })[] {
  const tiles: (TilePlace & { readonly level: number })[] = []
  for (
    let level = 0, hashes = size;
    hashes > 0;
    level++, hashes = Math.floor(hashes / TILE_WIDTH)
  ) {
    const width = hashes % TILE_WIDTH
    if (width > 0) tiles.unshift({ level, index: Math.floor(hashes / TILE_WIDTH), width })
  }
  return tiles
}

/** The hashes in a tile's bytes. Throws if they are not a whole number of hashes. */
export function splitTile(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length % HASH_BYTES !== 0) {
    throw new RangeError(`expected a multiple of ${HASH_BYTES} bytes, got ${bytes.length}`)
  }
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) =>
    bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  )
}

/** A tile's bytes. */
export function joinTile(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES)
  hashes.forEach((hash, i) => bytes.set(hash, i * HASH_BYTES))
  return bytes
}

/** The hash of a run of at most 256 hashes whose number is a power of two. */
export async function perfectHash(
  hashes: readonly Uint8Array[],
  sha256: Sha256,
): Promise<Uint8Array> {
  let row = hashes
  while (row.length > 1) row = await rowAbove(row, sha256)
  if (row[0] === undefined) throw new RangeError('expected at least one hash, got none')
  return row[0]
}

/** The root of the tree whose right edge these tiles are, the topmost first. */
export async function edgeRoot(
  edge: readonly (readonly Uint8Array[])[],
  sha256: Sha256,
): Promise<Uint8Array> {
  const peaks: Uint8Array[] = []
  for (const hashes of edge) {
    let start = 0
    for (let run = TILE_WIDTH / 2; run >= 1; run /= 2) {
      if (Math.floor(hashes.length / run) % 2 === 0) continue
      peaks.push(await perfectHash(hashes.slice(start, start + run), sha256))
      start += run
    }
  }
  return foldPeaks(peaks, sha256)
}

/** A tree that grows: its size, and the hashes of the tile on the right edge of each level, 0 first. */
export interface GrowingTree {
  readonly size: number
  readonly edge: readonly (readonly Uint8Array[])[]
}

/** A tile with its hashes. */
export interface Tile {
  readonly level: number
  readonly index: number
  readonly hashes: readonly Uint8Array[]
}

/** Extends a tree by leaf hashes: the tree after it, and every tile that is new or has become wider. */
export async function growTree(
  tree: GrowingTree,
  leafHashes: readonly Uint8Array[],
  sha256: Sha256,
): Promise<{ tree: GrowingTree; tiles: Tile[] }> {
  const edge: Uint8Array[][] = []
  const tiles: Tile[] = []
  let fresh = leafHashes
  for (let level = 0; level < tree.edge.length || fresh.length > 0; level++) {
    const width = tree.edge[level]?.length ?? 0
    let index = (Math.floor(tree.size / TILE_WIDTH ** level) - width) / TILE_WIDTH
    let hashes = [...(tree.edge[level] ?? [])]
    const above: Uint8Array[] = []
    for (let taken = 0; taken < fresh.length; index++, hashes = []) {
      const more = fresh.slice(taken, taken + TILE_WIDTH - hashes.length)
      taken += more.length
      hashes.push(...more)
      tiles.push({ level, index, hashes })
      if (hashes.length < TILE_WIDTH) break
      above.push(await perfectHash(hashes, sha256))
    }
    edge.push(hashes)
    fresh = above
  }
  return { tree: { size: tree.size + leafHashes.length, edge }, tiles }
}

const TILE_HEIGHT = 8

/** Reads subtrees of a tree of `size` from its tiles, each tile once. Throws if one is missing. */
export function subtreeReader(source: TileSource, size: number, sha256: Sha256): SubtreeHash {
  const cache = new Map<string, Promise<readonly (readonly Uint8Array[])[]>>()
  const rowsOf = async (level: number, index: number): Promise<(readonly Uint8Array[])[]> => {
    const rows = [await readTile(source, { level, index, width: tileWidth(level, index, size) })]
    while ((rows.at(-1)?.length ?? 0) > 1) rows.push(await rowAbove(rows.at(-1) ?? [], sha256))
    return rows
  }
  return async (height, first) => {
    const level = Math.floor(height / TILE_HEIGHT)
    const at = first / 2 ** height
    const perTile = 2 ** (TILE_HEIGHT - (height % TILE_HEIGHT))
    const index = Math.floor(at / perTile)
    const key = `${level}/${index}`
    const rows = cache.get(key) ?? rowsOf(level, index)
    cache.set(key, rows)
    const hash = (await rows)[height % TILE_HEIGHT]?.[at % perTile]
    if (hash === undefined) throw new RangeError(`expected subtree ${height}/${first} in the tree`)
    return hash
  }
}

/** The hashes of one tile; falls back to the full tile when the partial one is gone. Throws if neither is there. */
async function readTile(source: TileSource, place: TilePlace): Promise<Uint8Array[]> {
  const bytes =
    (await source(tilePath(place))) ?? (await source(tilePath({ ...place, width: TILE_WIDTH })))
  if (bytes === undefined) throw new Error(`expected \`${tilePath(place)}\`, got nothing`)
  return splitTile(bytes).slice(0, place.width)
}

/** The hashes of pairs; one that is left over waits for its sibling. */
async function rowAbove(row: readonly Uint8Array[], sha256: Sha256): Promise<Uint8Array[]> {
  const above: Uint8Array[] = []
  for (let i = 0; i + 1 < row.length; i += 2) {
    above.push(await sha256(nodeInput(row[i] as Uint8Array, row[i + 1] as Uint8Array)))
  }
  return above
}
