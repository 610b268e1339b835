/**
 * Signs the log's head, at most a second after an entry was committed.
 *
 * `runCheckpointer` runs beside every server; replicas take turns by a lock in the database. Each turn
 * is `signCheckpoint`, whose order is the argument for *append only*: it starts from the tree that was
 * signed last and from the high-water mark, extends it by committed entries, and refuses to sign
 * anything that does not continue both.
 */

import { sql } from 'kysely'
import { sha256 } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Store, Tx } from '../store/store.ts'
import type { HighWaterMark } from './high-water-mark.ts'
import { signNote, type NoteSigner } from './note.ts'
import { edgeRoot, growTree, type GrowingTree, type Tile } from './tile.ts'
import { equalHashes } from './tree.ts'
import { formatTreeHead, type TreeHead } from './tree-head.ts'
import {
  committedSize,
  latestCheckpoint,
  leafHashes,
  loadTree,
  writeCheckpoint,
  writeTiles,
} from './tree-store.ts'

/** What signing needs. The log's origin is the signer's name. */
export interface CheckpointEnv {
  readonly store: Store
  readonly clock: Clock
  readonly signer: NoteSigner
  readonly highWater: HighWaterMark
}

/** The log is not a continuation of what was signed. It does not heal by itself. */
export interface LogRefusal {
  readonly reason: 'log_behind' | 'log_forked'
  readonly message: string
}

/** What came of a turn: a new tree head, or that there was nothing to sign, or another replica's turn. */
export type Turn =
  | { readonly outcome: 'signed'; readonly head: TreeHead; readonly behind: boolean }
  | { readonly outcome: 'current' | 'busy' }

const INTERVAL_MILLISECONDS = 500
/** Bounds the memory and the time of one turn. */
const MOST_LEAVES = 65_536
/** Arbitrary and ours. */
const TURN_LOCK = 5_027_714_483_905

/**
 * Signs until `signal` aborts. Faults are reported and tried again; a refusal ends it and is returned,
 * and whoever runs this has to stop granting anything.
 */
export async function runCheckpointer(
  env: CheckpointEnv & { readonly diagnostics: Diagnostics },
  signal: AbortSignal,
): Promise<Result<undefined, LogRefusal>> {
  const { clock, diagnostics } = env
  let isFailing = false
  while (!signal.aborted) {
    const turn = await signCheckpoint(env).catch((fault: unknown): undefined => {
      // Said once: an outage lasts for many turns.
      if (!isFailing) diagnostics.error('log.checkpoint_failed', fault)
      isFailing = true
    })
    if (turn !== undefined && !turn.ok) {
      const { reason, message } = turn.error
      diagnostics.error('log.not_continued', new Error(message), { reason })
      return turn
    }
    if (turn !== undefined && isFailing) {
      diagnostics.info('log.checkpoint_recovered')
      isFailing = false
    }
    if (turn?.value.outcome === 'signed' && turn.value.behind) continue
    await clock.sleep(INTERVAL_MILLISECONDS, signal)
  }
  return ok()
}

/** One turn: signs what was committed since the last checkpoint, if anything was. */
export function signCheckpoint(env: CheckpointEnv): Promise<Result<Turn, LogRefusal>> {
  return env.store.transaction(async (tx) => {
    if (!(await takeTurn(tx))) return ok({ outcome: 'busy' })
    const standing = await findStanding(tx, env)
    if (!standing.ok) return standing
    const { last, mark, size, tree } = standing.value
    if (size === last?.size) return ok({ outcome: 'current' })

    // Never below the mark: a smaller tree than one that was signed is not signed, even if it is a prefix.
    const target = Math.min(size, Math.max(mark?.size ?? 0, tree.size + MOST_LEAVES))
    const grown = await grow(tx, tree, target, (tiles) => writeTiles(tx, tiles))
    const head = { size: target, root: await rootOfTree(grown) }
    // INVARIANT (append only): the mark is durable before the signature exists, so no signature is ever
    // ahead of it. It names committed entries only: a turn that is lost is signed the same again.
    await env.highWater.raise(head)
    const note = await signNote(formatTreeHead(env.signer.name, head), [env.signer])
    await writeCheckpoint(tx, { ...head, note }, env.clock.nowMilliseconds())
    return ok({ outcome: 'signed', head, behind: target < size })
  })
}

/** A log that goes on. */
export interface Continued {
  /** False if something was signed and no mark is there to say so: nothing then tells a restored database. */
  readonly isMarked: boolean
}

/**
 * Whether the database continues what the high-water mark says was signed. Ask at start, before
 * anything is granted: a database restored from a backup does not.
 */
export function checkHighWater(
  env: Pick<CheckpointEnv, 'store' | 'highWater'>,
): Promise<Result<Continued, LogRefusal>> {
  return env.store.transaction(async (tx) => {
    // Waits for its turn, so that no replica raises the mark while the rows are being read.
    await sql`select pg_advisory_xact_lock(${TURN_LOCK})`.execute(tx)
    const standing = await findStanding(tx, env)
    if (!standing.ok) return standing
    const { last, mark } = standing.value
    return ok({ isMarked: mark !== undefined || last === undefined })
  })
}

async function takeTurn(tx: Tx): Promise<boolean> {
  const { rows } = await sql<{ mine: boolean }>`
    select pg_try_advisory_xact_lock(${TURN_LOCK}) as mine`.execute(tx)
  return rows[0]?.mine === true
}

/** Where the log stands: it continues all that was signed. */
interface Standing {
  readonly last: TreeHead | undefined
  readonly mark: TreeHead | undefined
  /** Entries that were committed. */
  readonly size: number
  /** The tree of the last checkpoint. */
  readonly tree: GrowingTree
}

async function findStanding(
  tx: Tx,
  env: Pick<CheckpointEnv, 'highWater'>,
): Promise<Result<Standing, LogRefusal>> {
  const last = await latestCheckpoint(tx)
  const mark = await env.highWater.read()
  const size = await committedSize(tx)
  const signed = Math.max(last?.size ?? 0, mark?.size ?? 0)
  if (size < signed) {
    return refuse({ reason: 'log_behind', message: `expected ${signed} entries, got ${size}` })
  }
  const tree = await loadTree(tx, last?.size ?? 0)
  if (tree === undefined || (last && !(await hasRoot(tree, last)))) {
    const message = 'the tiles are not those that were signed last'
    return refuse({ reason: 'log_forked', message })
  }
  if (mark !== undefined) {
    // A prefix of the tree that was signed last, or one that committed entries lead to.
    const marked =
      mark.size < tree.size ? await loadTree(tx, mark.size) : await grow(tx, tree, mark.size)
    if (marked === undefined || !(await hasRoot(marked, mark))) {
      const message = `the first ${mark.size} entries are not those that were signed`
      return refuse({ reason: 'log_forked', message })
    }
  }
  return ok({ last, mark, size, tree })
}

/** The tree extended by committed entries to `size`, in steps that bound memory. */
async function grow(
  tx: Tx,
  start: GrowingTree,
  size: number,
  onTiles?: (tiles: readonly Tile[]) => Promise<void>,
): Promise<GrowingTree> {
  let tree = start
  while (tree.size < size) {
    const leaves = await leafHashes(tx, tree.size, Math.min(size, tree.size + MOST_LEAVES))
    const grown = await growTree(tree, leaves, sha256)
    await onTiles?.(grown.tiles)
    tree = grown.tree
  }
  return tree
}

async function hasRoot(tree: GrowingTree, head: TreeHead): Promise<boolean> {
  return equalHashes(await rootOfTree(tree), head.root)
}

function rootOfTree(tree: GrowingTree): Promise<Uint8Array> {
  return edgeRoot(tree.edge.toReversed(), sha256)
}
