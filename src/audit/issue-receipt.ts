/** Makes receipts and consistency proofs from the log in the database. */

import { sql } from 'kysely'
import { sha256 } from '../base/bytes.ts'
import { refuse, type Result } from '../base/result.ts'
import type { Store } from '../store/store.ts'
import { proveConsistency, proveInclusion, verifyConsistency, verifyInclusion } from './proof.ts'
import { formatReceipt } from './receipt.ts'
import { subtreeReader } from './tile.ts'
import { storeTileSource } from './tile-source.ts'
import { leafInput } from './tree.ts'
import type { TreeHead } from './tree-head.ts'
import { fullNote, latestCheckpoint, type KeptCheckpoint } from './tree-store.ts'

/** Why there is no proof. */
export type ProofRefusal =
  | { readonly reason: 'not_signed_yet'; readonly message: string }
  | { readonly reason: 'unknown_entry'; readonly message: string }

/**
 * The receipt of the entry at `index`, over a checkpoint that a witness cosigned if one covers it, else
 * over the current one. An entry has none until it is signed, a second after its commit.
 */
export async function issueReceipt(
  index: number,
  env: { readonly store: Store },
): Promise<Result<string, ProofRefusal>> {
  if (!Number.isSafeInteger(index) || index < 0) {
    return refuse({ reason: 'unknown_entry', message: 'expected the index of an entry' })
  }
  const witnessed = await latestCheckpoint(env.store.db, 'witnessed')
  const checkpoint = covers(witnessed, index) ? witnessed : await latestCheckpoint(env.store.db)
  const bytes = await entryBytes(env.store, index)
  if (bytes === undefined) {
    return refuse({ reason: 'unknown_entry', message: `expected entry ${index} in the log` })
  }
  if (!covers(checkpoint, index)) {
    return refuse({ reason: 'not_signed_yet', message: `entry ${index} is in no checkpoint yet` })
  }
  const { size, root } = checkpoint
  const subtree = subtreeReader(storeTileSource(env.store), size, sha256)
  const proof = await proveInclusion(index, size, { subtree, sha256 })
  const leafHash = sha256(leafInput(bytes))
  // A receipt that does not hold would be an accusation against ourselves: the row was altered.
  if (!(await verifyInclusion({ leafHash, index, size, root, proof }, sha256))) {
    throw new Error(`entry ${index} is not the one that was signed`)
  }
  return {
    ok: true,
    value: formatReceipt({ index, extra: bytes, proof, checkpoint: fullNote(checkpoint) }),
  }
}

/** The proof that the signed tree `from` is a prefix of the signed tree `to`; throws if it is not. */
export async function issueConsistencyProof(
  from: TreeHead,
  to: TreeHead,
  env: { readonly store: Store },
): Promise<Uint8Array[]> {
  const subtree = subtreeReader(storeTileSource(env.store), to.size, sha256)
  const proof = await proveConsistency(from.size, to.size, { subtree, sha256 })
  const claim = {
    oldSize: from.size,
    oldRoot: from.root,
    newSize: to.size,
    newRoot: to.root,
    proof,
  }
  if (!(await verifyConsistency(claim, sha256))) {
    throw new Error(`the tree of ${to.size} entries does not continue that of ${from.size}`)
  }
  return proof
}

function covers(
  checkpoint: KeptCheckpoint | undefined,
  index: number,
): checkpoint is KeptCheckpoint {
  return checkpoint !== undefined && index < checkpoint.size
}

async function entryBytes(store: Store, index: number): Promise<Uint8Array | undefined> {
  const { rows } = await sql<{ entry: Buffer }>`
    select entry from log_entry where index = ${index}`.execute(store.db)
  return rows[0]?.entry
}
