/** The log key as a signer of checkpoints (C2SP signed-note). */

import type { NoteSigner } from '../audit/note.ts'
import { logSigner } from '../audit/note-signer.ts'
import type { SigningKey } from './signing-key.ts'

/** Signs notes as the log `name`. INVARIANT (separate powers): only a key made for the log does. */
export async function noteSigner(key: SigningKey, name: string): Promise<NoteSigner> {
  if (key.purpose !== 'log') throw new Error(`expected a \`log\` key, got \`${key.purpose}\``)
  return await logSigner(name, key.privateKey)
}
