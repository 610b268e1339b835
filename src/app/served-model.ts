/**
 * The model with the principal channel that this server runs. Opened at the first question that wants it:
 * who asks none needs neither its weights nor the runtime.
 */

import { join } from 'node:path'
import { ok, type Result } from '../base/result.ts'
import type { PrincipalModel } from '../channel/principal-model.ts'
import { openPrincipalModel } from '../channel/serving/open-model.ts'

/** Where this checkout keeps the weights that it was released with. */
export const WEIGHTS: string = join(import.meta.dirname, '../../model/weights')

/** A way to the model of `folder`, which is opened once. */
export function servedModel(folder: string): () => Promise<Result<PrincipalModel>> {
  let opened: PrincipalModel | undefined
  return async () => {
    if (opened !== undefined) return ok(opened)
    const found = await openPrincipalModel(folder, 'principal')
    if (!found.ok) return found
    opened = found.value
    return ok(opened)
  }
}
