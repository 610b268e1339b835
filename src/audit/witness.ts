/**
 * A witness: cosigns the checkpoints of a log as long as each continues the one before.
 *
 * `witnessCheckpoint` is the protocol's request (C2SP tlog-witness, add-checkpoint), `witnessLog` does
 * the same for a log whose tiles can be read. The witness keeps the last tree head that it cosigned for
 * each log, durably, before it hands out a signature; two different trees never both get one.
 */

import { refuse, type Result } from '../base/result.ts'
import { decodeBase64, signatureLine, type NoteSigner, type NoteVerifier } from './note.ts'
import { MAX_PROOF_LENGTH, proveConsistency, verifyConsistency } from './proof.ts'
import { subtreeReader, type TileSource } from './tile.ts'
import { equalHashes, HASH_BYTES, webSha256, type Sha256 } from './tree.ts'
import { openCheckpoint, parseTreeHead, type TreeHead } from './tree-head.ts'

/** What a witness remembers: the last tree head that it cosigned, by origin. */
export interface WitnessState {
  read(origin: string): Promise<TreeHead | undefined>
  /** Puts `next` in the place of `last`, durably; false if something else stands there by now. */
  advance(origin: string, last: TreeHead | undefined, next: TreeHead): Promise<boolean>
}

/** What a witness works with. */
export interface WitnessEnv {
  /** The logs that it knows. */
  readonly logs: readonly NoteVerifier[]
  readonly signer: NoteSigner
  readonly state: WitnessState
  readonly sha256?: Sha256
}

/** A request to cosign. */
export interface AddCheckpoint {
  /** The size that the asker believes was cosigned last. */
  readonly oldSize: number
  readonly proof: readonly Uint8Array[]
  /** The signed note. */
  readonly checkpoint: string
}

/** Why a checkpoint was not cosigned; `stale` carries the size that was. */
export type WitnessRefusal =
  | {
      readonly reason: 'malformed_request' | 'unknown_log' | 'bad_signature' | 'inconsistent'
      readonly message: string
    }
  | { readonly reason: 'stale'; readonly size: number; readonly message: string }

/** The HTTP status of each refusal. @see C2SP tlog-witness, add-checkpoint */
export const WITNESS_STATUS: Readonly<Record<WitnessRefusal['reason'], number>> = {
  malformed_request: 400,
  bad_signature: 403,
  unknown_log: 404,
  stale: 409,
  inconsistent: 422,
}

/** The body of a request. @see C2SP tlog-witness, add-checkpoint */
export function formatAddCheckpoint(request: AddCheckpoint): string {
  const proof = request.proof.map((hash) => `${hash.toBase64()}\n`).join('')
  return `old ${request.oldSize}\n${proof}\n${request.checkpoint}`
}

/** Reads the body of a request. */
export function parseAddCheckpoint(body: string): Result<AddCheckpoint, WitnessRefusal> {
  const split = body.indexOf('\n\n')
  const [old = '', ...lines] = body.slice(0, Math.max(split, 0)).split('\n')
  const [, size] = /^old (0|[1-9][0-9]{0,15})$/.exec(old) ?? []
  const proof = lines.map((line) => decodeBase64(line)).filter((hash) => hash !== undefined)
  const wellFormed = proof.length === lines.length && proof.every((h) => h.length === HASH_BYTES)
  if (size === undefined || !wellFormed || proof.length > MAX_PROOF_LENGTH) {
    return refused('malformed_request', 'expected an old size, a proof and a checkpoint')
  }
  return {
    ok: true,
    value: { oldSize: Number(size), proof, checkpoint: body.slice(split + 2) },
  }
}

/** Cosigns a checkpoint that continues what was cosigned before: the cosignature line. */
export async function witnessCheckpoint(
  request: AddCheckpoint,
  env: WitnessEnv,
): Promise<Result<string, WitnessRefusal>> {
  const sha256 = env.sha256 ?? webSha256
  const origin = originOf(request.checkpoint)
  const log = env.logs.find((key) => key.name === origin)
  if (log === undefined) return refused('unknown_log', 'expected a checkpoint of a known log')
  const opened = await openCheckpoint(request.checkpoint, { log })
  if (!opened.ok) return refused('bad_signature', opened.error.message)
  const next = opened.value
  if (request.oldSize > next.size) {
    return refused('malformed_request', `expected an old size of at most ${next.size}`)
  }
  const last = await env.state.read(log.name)
  if (request.oldSize !== (last?.size ?? 0)) return stale(last)
  const emptyRoot = await sha256(new Uint8Array(0))
  if (next.size === 0 && !equalHashes(next.root, emptyRoot)) {
    return refused('inconsistent', 'expected the root of the empty tree')
  }
  const claim = {
    oldSize: request.oldSize,
    oldRoot: last?.root ?? emptyRoot,
    newSize: next.size,
    newRoot: next.root,
    proof: request.proof,
  }
  if (!(await verifyConsistency(claim, sha256))) {
    return refused(
      'inconsistent',
      `expected a tree that continues the one of size ${claim.oldSize}`,
    )
  }
  // INVARIANT (append only): the state moves before the signature exists, and only from what was checked.
  if (!(await env.state.advance(log.name, last, { size: next.size, root: next.root }))) {
    return stale(await env.state.read(log.name))
  }
  return { ok: true, value: await signatureLine(next.text, env.signer) }
}

/**
 * Reads a log's checkpoint and tiles, and cosigns it if it continues what was cosigned before: the
 * checkpoint with its cosignature, to be handed back to the log. Throws if tiles are missing.
 */
export async function witnessLog(
  source: TileSource,
  env: WitnessEnv,
): Promise<Result<string, WitnessRefusal>> {
  const note = await source('checkpoint')
  const checkpoint = new TextDecoder().decode(note ?? new Uint8Array(0))
  const head = headOf(checkpoint)
  if (head === undefined) return refused('malformed_request', 'expected a checkpoint')
  const oldSize = (await env.state.read(head.origin))?.size ?? 0
  // A log that shrank has no proof to offer; `witnessCheckpoint` then says so.
  const sha256 = env.sha256 ?? webSha256
  const subtree = subtreeReader(source, head.size, sha256)
  const proof =
    oldSize > head.size ? [] : await proveConsistency(oldSize, head.size, { subtree, sha256 })
  const line = await witnessCheckpoint({ oldSize, proof, checkpoint }, env)
  return line.ok ? { ok: true, value: checkpoint + line.value } : line
}

function headOf(note: string): (TreeHead & { readonly origin: string }) | undefined {
  return parseTreeHead(note.slice(0, note.lastIndexOf('\n\n') + 1))
}

function originOf(note: string): string {
  return note.slice(0, Math.max(note.indexOf('\n'), 0))
}

function stale(last: TreeHead | undefined): Result<never, WitnessRefusal> {
  const size = last?.size ?? 0
  return refuse({ reason: 'stale', size, message: `the last checkpoint cosigned has size ${size}` })
}

function refused(
  reason: Exclude<WitnessRefusal['reason'], 'stale'>,
  message: string,
): Result<never, WitnessRefusal> {
  return refuse({ reason, message })
}
