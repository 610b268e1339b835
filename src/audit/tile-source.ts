/**
 * Where tiles, bundles and checkpoints come from: Postgres, or a folder that holds a copy.
 *
 * Bundles are made from the rows of `log_entry` themselves, never from a copy, so that an altered row
 * is an altered bundle.
 */

import { sql } from 'kysely'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Store } from '../store/store.ts'
import { joinBundle } from './entry-bundle.ts'
import {
  parseTilePath,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  type TilePlace,
  type TileSource,
} from './tile.ts'
import { HASH_BYTES } from './tree.ts'
import { parseTreeHead } from './tree-head.ts'
import { fullNote, latestCheckpoint } from './tree-store.ts'
import { WITNESSED_PATH } from './verify.ts'

/** The log in the database. Only what a checkpoint covers is served. */
export function storeTileSource(store: Store): TileSource {
  return async (path) => {
    if (path === 'checkpoint' || path === WITNESSED_PATH) {
      const only = path === 'checkpoint' ? 'signed' : 'witnessed'
      const checkpoint = await latestCheckpoint(store.db, only)
      return checkpoint && Buffer.from(fullNote(checkpoint))
    }
    const place = parseTilePath(path)
    if (place === undefined) return undefined
    return place.level === 'entries' ? bundle(store, place) : tile(store, place)
  }
}

/** A copy of a log, laid out by the paths of C2SP tlog-tiles. */
export function folderTileSource(folder: string): TileSource {
  return async (path) => {
    if (path !== 'checkpoint' && path !== WITNESSED_PATH && parseTilePath(path) === undefined) {
      return undefined
    }
    try {
      return await readFile(join(folder, path))
    } catch (error) {
      if (isAbsence(error)) return undefined
      throw new Error(`\`${path}\` cannot be read`, { cause: error })
    }
  }
}

/** Copies everything that the current checkpoint covers into `folder`; verifies nothing. */
export async function copyLog(source: TileSource, folder: string): Promise<number> {
  const witnessed = await source(WITNESSED_PATH)
  const checkpoint = await source('checkpoint')
  if (checkpoint === undefined) throw new Error('expected a checkpoint, got none')
  const note = new TextDecoder().decode(checkpoint)
  const head = parseTreeHead(note.slice(0, note.indexOf('\n\n') + 1))
  if (head === undefined) throw new Error('expected origin, size and root in the checkpoint')
  for (const path of pathsOf(head.size)) {
    const bytes = await source(path)
    if (bytes !== undefined) await write(folder, path, bytes)
  }
  if (witnessed !== undefined) await write(folder, WITNESSED_PATH, witnessed)
  await write(folder, 'checkpoint', checkpoint)
  return head.size
}

/** Every path of a tree of `size`, bundles included. */
function* pathsOf(size: number): Generator<string> {
  for (let level = 0; tileWidth(level, 0, size) > 0; level++) {
    for (let index = 0; tileWidth(level, index, size) > 0; index++) {
      const width = tileWidth(level, index, size)
      yield tilePath({ level, index, width })
      if (level === 0) yield tilePath({ level: 'entries', index, width })
    }
  }
}

async function write(folder: string, path: string, bytes: Uint8Array): Promise<void> {
  const file = join(folder, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, bytes)
}

async function tile(store: Store, place: TilePlace): Promise<Uint8Array | undefined> {
  const { rows } = await sql<{ hashes: Buffer }>`
    select hashes from log_tile
    where level = ${place.level}::smallint and index = ${place.index}`.execute(store.db)
  const hashes = rows[0]?.hashes
  if (hashes === undefined || hashes.length < place.width * HASH_BYTES) return undefined
  return hashes.subarray(0, place.width * HASH_BYTES)
}

/** The entries up to the first that is not there: a gap must not move those behind it. */
async function bundle(store: Store, place: TilePlace): Promise<Uint8Array | undefined> {
  const first = place.index * TILE_WIDTH
  const { rows } = await sql<{ index: number; entry: Buffer }>`
    select index, entry from log_entry
    where index >= ${first} and index < ${first + place.width}
      and index < (select coalesce(max(size), 0) from log_checkpoint)
    order by index`.execute(store.db)
  if (rows.length === 0) return undefined
  const gap = rows.findIndex((row, i) => row.index !== first + i)
  return joinBundle((gap < 0 ? rows : rows.slice(0, gap)).map((row) => row.entry))
}

function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR'
}
