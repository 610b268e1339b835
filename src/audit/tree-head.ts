/**
 * Checkpoints: the size and root of a log, signed (C2SP tlog-checkpoint).
 *
 * Call `openCheckpoint` with the keys that are trusted. `formatTreeHead` makes the text that a log signs
 * and witnesses cosign.
 */

import { refuse, type Result } from '../base/result.ts'
import { decodeBase64, openNote, type NoteRefusal, type NoteVerifier } from './note.ts'
import { HASH_BYTES } from './tree.ts'

/** How large a log is, and the root of its tree. */
export interface TreeHead {
  readonly size: number
  readonly root: Uint8Array
}

/** A tree head that its log signed, and who else saw it. */
export interface Checkpoint extends TreeHead {
  /** The log's name. */
  readonly origin: string
  /** The text that was signed. */
  readonly text: string
  readonly cosignatures: readonly Cosignature[]
}

/** A witness's word that the checkpoint continues everything that it had seen of the log. */
export interface Cosignature {
  readonly witness: string
  /** Seconds since the Unix epoch. */
  readonly time: number
  /** The signature line, with its newline. */
  readonly line: string
}

/** Whose signatures count. */
export interface TrustedKeys {
  readonly log: NoteVerifier
  readonly witnesses?: readonly NoteVerifier[]
}

/** Why a checkpoint was not accepted. */
export type CheckpointRefusal =
  | NoteRefusal
  | { readonly reason: 'malformed_checkpoint'; readonly message: string }

/** The text of a checkpoint. @see C2SP tlog-checkpoint, Note text */
export function formatTreeHead(origin: string, head: TreeHead): string {
  return `${origin}\n${head.size}\n${head.root.toBase64()}\n`
}

/** The origin, size and root in a checkpoint's text; undefined if it is none. */
export function parseTreeHead(text: string): (TreeHead & { readonly origin: string }) | undefined {
  const [origin = '', size = '', root = '', ...rest] = text.split('\n')
  const hash = decodeBase64(root)
  // C2SP tlog-checkpoint: extension lines are optional and not empty; the text ends in a newline.
  if (rest.pop() !== '' || rest.includes('')) return undefined
  if (origin === '' || !/^(0|[1-9][0-9]{0,15})$/.test(size)) return undefined
  if (hash?.length !== HASH_BYTES || !Number.isSafeInteger(Number(size))) return undefined
  return { origin, size: Number(size), root: hash }
}

/** The checkpoint in a note if its log signed it; cosignatures of trusted witnesses are listed. */
export async function openCheckpoint(
  note: string,
  trusted: TrustedKeys,
): Promise<Result<Checkpoint, CheckpointRefusal>> {
  const opened = await openNote(note, [trusted.log, ...(trusted.witnesses ?? [])])
  if (!opened.ok) return opened
  const { text, signatures } = opened.value
  if (!signatures.some((s) => s.verifier === trusted.log)) {
    return refuse({
      reason: 'unsigned',
      message: `expected a signature by \`${trusted.log.name}\``,
    })
  }
  const head = parseTreeHead(text)
  if (head === undefined) {
    return refuse({ reason: 'malformed_checkpoint', message: 'expected origin, size and root' })
  }
  // C2SP tlog-checkpoint: the key name should match the origin. Ours always does, so that a key that
  // several logs share could not pass one log off as another.
  if (head.origin !== trusted.log.name) {
    const message = `expected the origin \`${trusted.log.name}\`, got \`${head.origin}\``
    return refuse({ reason: 'malformed_checkpoint', message })
  }
  const cosignatures = signatures.flatMap(({ verifier, time, line }) =>
    time === undefined ? [] : [{ witness: verifier.name, time, line }],
  )
  return { ok: true, value: { ...head, text, cosignatures } }
}
