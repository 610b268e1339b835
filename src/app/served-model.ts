/**
 * The model with the principal channel that this server runs, in a thread of its own. Opened at the first
 * question that wants it: who asks none needs neither its weights nor the runtime.
 */

import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Result } from '../base/result.ts'
import type { PrincipalModel } from '../channel/principal-model.ts'
import { openModelThread } from '../channel/serving/model-thread.ts'

/** Where this checkout keeps the weights that it was released with. */
export const WEIGHTS: string = join(import.meta.dirname, '../../model/weights')

/** A way to the model of `folder`, which is opened once. */
export function servedModel(
  folder: string,
  env: { readonly clock: Clock },
): () => Promise<Result<PrincipalModel>> {
  let opening: ReturnType<typeof openModelThread> | undefined
  return async () => {
    opening ??= openModelThread(folder, 'principal', env)
    const found = await opening
    // What was missing may be there by the next question.
    if (!found.ok) opening = undefined
    return found
  }
}
