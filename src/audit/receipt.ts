/**
 * Receipts: offline proof that an entry is in the log (C2SP tlog-proof, `.tlog-proof`).
 *
 * Call `verifyReceipt` with the log's key. A receipt carries its entry as `extra` data, so it needs
 * nothing beside it; that data is believed only because it hashes to the proven leaf.
 */

import { refuse, type Result } from '../base/result.ts'
import { decodeEntry, type Entry } from './entry.ts'
import { decodeBase64 } from './note.ts'
import { MAX_PROOF_LENGTH, verifyInclusion } from './proof.ts'
import { HASH_BYTES, leafInput, webSha256, type Sha256 } from './tree.ts'
import {
  openCheckpoint,
  type Checkpoint,
  type CheckpointRefusal,
  type TrustedKeys,
} from './tree-head.ts'

/** A proof of inclusion as it is carried about. */
export interface Receipt {
  readonly index: number
  /** The entry's bytes. */
  readonly extra?: Uint8Array
  readonly proof: readonly Uint8Array[]
  /** The signed note, with the cosignatures that it has. */
  readonly checkpoint: string
}

/** What a receipt that holds shows. */
export interface ProvenEntry {
  readonly index: number
  readonly entry: Entry
  readonly checkpoint: Checkpoint
}

/** Why a receipt was not accepted. */
export type ReceiptRefusal =
  | CheckpointRefusal
  | {
      readonly reason: 'malformed_receipt' | 'not_included' | 'malformed_entry'
      readonly message: string
    }

const HEADER = 'c2sp.org/tlog-proof@v1'
const MAX_RECEIPT_LENGTH = 262_144

/** The text of a receipt. @see C2SP tlog-proof, Format */
export function formatReceipt(receipt: Receipt): string {
  const { index, extra, proof, checkpoint } = receipt
  const lines = [HEADER]
  if (extra !== undefined) lines.push(`extra ${extra.toBase64()}`)
  lines.push(`index ${index}`, ...proof.map((hash) => hash.toBase64()), '', checkpoint)
  return lines.join('\n')
}

/** Reads a receipt; verifies nothing. */
export function parseReceipt(text: string): Result<Receipt, ReceiptRefusal> {
  const split = text.indexOf('\n\n')
  if (text.length > MAX_RECEIPT_LENGTH || split < 0) return malformed('expected a receipt')
  const lines = text.slice(0, split).split('\n')
  if (lines.shift() !== HEADER) return malformed(`expected \`${HEADER}\``)
  const extra = lines[0]?.startsWith('extra ') ? decodeBase64(lines.shift()?.slice(6) ?? '') : null
  if (extra === undefined) return malformed('expected base64 after `extra`')
  const [, index] = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '') ?? []
  if (index === undefined) return malformed('expected `index` and a number')
  const proof = lines.map((line) => decodeBase64(line))
  if (proof.length > MAX_PROOF_LENGTH || proof.some((hash) => hash?.length !== HASH_BYTES)) {
    return malformed(`expected at most ${MAX_PROOF_LENGTH} hashes of ${HASH_BYTES} bytes`)
  }
  const receipt = {
    index: Number(index),
    proof: proof.filter((hash) => hash !== undefined),
    checkpoint: text.slice(split + 2),
    ...(extra === null ? {} : { extra }),
  }
  return { ok: true, value: receipt }
}

/**
 * What a receipt shows, if its log signed the checkpoint and the entry is in that tree. `entry` is for
 * receipts that do not carry theirs. How many witnesses are enough is for the caller to say.
 *
 * @see C2SP tlog-proof, Verifying a tlog proof
 */
export async function verifyReceipt(
  text: string,
  trusted: TrustedKeys,
  env: { readonly entry?: Uint8Array; readonly sha256?: Sha256 } = {},
): Promise<Result<ProvenEntry, ReceiptRefusal>> {
  const receipt = parseReceipt(text)
  if (!receipt.ok) return receipt
  const { index, proof, extra } = receipt.value
  const bytes = env.entry ?? extra
  if (bytes === undefined) return malformed('expected the entry, in the receipt or beside it')
  const checkpoint = await openCheckpoint(receipt.value.checkpoint, trusted)
  if (!checkpoint.ok) return checkpoint
  const sha256 = env.sha256 ?? webSha256
  const { size, root } = checkpoint.value
  const claim = { leafHash: await sha256(leafInput(bytes)), index, size, root, proof }
  if (!(await verifyInclusion(claim, sha256))) {
    const message = `expected a proof that the entry has index ${index} of ${size}`
    return refuse({ reason: 'not_included', message })
  }
  const entry = readEntry(bytes)
  if (entry === undefined) {
    return refuse({ reason: 'malformed_entry', message: `entry ${index} cannot be read` })
  }
  return { ok: true, value: { index, entry, checkpoint: checkpoint.value } }
}

function readEntry(bytes: Uint8Array): Entry | undefined {
  try {
    return decodeEntry(bytes)
  } catch {
    return undefined
  }
}

function malformed(message: string): Result<never, ReceiptRefusal> {
  return refuse({ reason: 'malformed_receipt', message })
}
