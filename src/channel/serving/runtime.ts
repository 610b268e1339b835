/**
 * The runtime for models: a large package of native code that an installation may do without.
 *
 * `loadRuntime` is the one place that names it, and is called when a model is opened: whoever opens none
 * never loads it.
 */

import type * as Onnx from 'onnxruntime-node'
import { ok, type Result, refuse } from '../../base/result.ts'

/** What is used of the runtime. */
export type Runtime = Pick<typeof Onnx, 'InferenceSession' | 'Tensor'>

/** How the runtime is loaded. */
export type Loading = () => Promise<Runtime>

/** The runtime, or what to do without it. */
export async function loadRuntime(
  load: Loading = () => import('onnxruntime-node'),
): Promise<Result<Runtime, { reason: 'runtime_missing'; message: string }>> {
  try {
    return ok(await load())
  } catch (error) {
    const { code = 'an error' } = error as NodeJS.ErrnoException
    const isAbsent = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
    const why = isAbsent
      ? 'it is not installed: `npm install --no-save` in the folder of Behalf adds it, from the lock file'
      : `it does not load on this machine: ${code}`
    return refuse({
      reason: 'runtime_missing',
      message: `expected \`onnxruntime-node\`, got none: ${why}`,
    })
  }
}
