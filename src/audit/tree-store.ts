/** The rows behind the tree: leaf hashes, tiles, checkpoints. */

import { sql } from 'kysely'
import type { Store, Tx } from '../store/store.ts'
import { openCheckpoint, type TreeHead, type TrustedKeys } from './tree-head.ts'
import { edgeTiles, joinTile, splitTile, type GrowingTree, type Tile } from './tile.ts'

/** A transaction, or the database for a single statement. */
export type Db = Tx | Store['db']

/** A checkpoint as it is kept: the note that the log signed, and the lines of its witnesses. */
export interface KeptCheckpoint extends TreeHead {
  readonly note: string
  readonly cosignatures: string
}

/** The checkpoint with all signatures, as it is served. */
export function fullNote(checkpoint: KeptCheckpoint): string {
  return checkpoint.note + checkpoint.cosignatures
}

/** The largest checkpoint, or the largest that a witness cosigned. */
export async function latestCheckpoint(
  db: Db,
  only: 'signed' | 'witnessed' = 'signed',
): Promise<KeptCheckpoint | undefined> {
  const { rows } = await sql<KeptCheckpoint>`
    select size, root, note, cosignatures from log_checkpoint
    where ${only === 'signed'} or cosignatures <> ''
    order by size desc limit 1`.execute(db)
  return rows[0]
}

/** How many entries were committed. */
export async function committedSize(db: Db): Promise<number> {
  const { rows } = await sql<{ size: number }>`select size from log_head`.execute(db)
  if (rows[0] === undefined) throw new Error('expected a row in `log_head`, got none')
  return rows[0].size
}

/** The leaf hashes of the entries in [from, to). Throws if there is a gap. */
export async function leafHashes(db: Db, from: number, to: number): Promise<Uint8Array[]> {
  const { rows } = await sql<{ index: number; leaf_hash: Buffer }>`
    select index, leaf_hash from log_entry
    where index >= ${from} and index < ${to} order by index`.execute(db)
  const gap = rows.findIndex((row, i) => row.index !== from + i)
  if (rows.length !== to - from || gap >= 0) {
    throw new Error(`expected entry ${from + (gap < 0 ? rows.length : gap)}, got none`)
  }
  return rows.map((row) => row.leaf_hash)
}

/** The tree of `size` as the tiles have it; undefined if they do not hold so many hashes. */
export async function loadTree(db: Db, size: number): Promise<GrowingTree | undefined> {
  const places = edgeTiles(size)
  const { rows } = await sql<{ level: number; hashes: Buffer }>`
    select t.level, t.hashes from log_tile t
    join unnest(
      ${places.map((p) => p.level)}::smallint[], ${places.map((p) => p.index)}::bigint[]
    ) as p(level, index) on t.level = p.level and t.index = p.index`.execute(db)
  const edge: Uint8Array[][] = []
  for (const { level, width } of places) {
    const row = rows.find((r) => r.level === level)
    if (row === undefined || row.hashes.length < width * 32) return undefined
    edge[level] = splitTile(row.hashes).slice(0, width)
  }
  return { size, edge: Array.from(edge, (hashes) => hashes ?? []) }
}

/** Keeps tiles, each in the place of the narrower one. */
export async function writeTiles(tx: Tx, tiles: readonly Tile[]): Promise<void> {
  if (tiles.length === 0) return
  await sql`
    insert into log_tile (level, index, hashes)
    select * from unnest(
      ${tiles.map((t) => t.level)}::smallint[],
      ${tiles.map((t) => t.index)}::bigint[],
      ${tiles.map((t) => joinTile(t.hashes))}::bytea[]
    ) on conflict (level, index) do update set hashes = excluded.hashes`.execute(tx)
}

const KEPT_MILLISECONDS = 3_600_000

/** Keeps a checkpoint, and lets go of those that no witness can still be about to cosign. */
export async function writeCheckpoint(
  tx: Tx,
  head: TreeHead & { readonly note: string },
  nowMilliseconds: number,
): Promise<void> {
  await sql`
    insert into log_checkpoint (size, root, note, signed_at)
    values (${head.size}, ${head.root}, ${head.note}, ${nowMilliseconds})`.execute(tx)
  await sql`
    delete from log_checkpoint
    where signed_at < ${nowMilliseconds - KEPT_MILLISECONDS} and size < ${head.size}
      and size is distinct from (select max(size) from log_checkpoint where cosignatures <> '')
    `.execute(tx)
}

/** More would make the note too long to be read. C2SP signed-note: at least 16 must be. */
const MOST_COSIGNATURES = 15

/**
 * Adds the cosignatures that `note` carries to the checkpoint that it is about: one for each trusted
 * witness that has none there yet. Returns how many were added; none if the checkpoint is not kept any
 * more or has as many as it can carry.
 */
export async function recordCosignatures(
  tx: Tx,
  note: string,
  trusted: TrustedKeys,
): Promise<number> {
  const opened = await openCheckpoint(note, trusted)
  if (!opened.ok) return 0
  const { text, size, cosignatures } = opened.value
  const { rows } = await sql<KeptCheckpoint>`
    select size, root, note, cosignatures from log_checkpoint
    where size = ${size} for update`.execute(tx)
  const kept = rows[0]
  if (kept === undefined || !kept.note.startsWith(`${text}\n`)) return 0
  const known = await openCheckpoint(fullNote(kept), trusted)
  const already = known.ok ? known.value.cosignatures.map(({ witness }) => witness) : []
  const free = MOST_COSIGNATURES - (kept.cosignatures.split('\n').length - 1)
  const fresh = cosignatures
    .filter(({ witness }) => !already.includes(witness))
    .slice(0, Math.max(free, 0))
  if (fresh.length === 0) return 0
  await sql`
    update log_checkpoint set cosignatures = cosignatures || ${fresh.map((c) => c.line).join('')}
    where size = ${size}`.execute(tx)
  return fresh.length
}
