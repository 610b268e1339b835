/**
 * The thread in which a model runs: what `model-thread.ts` starts. It opens the model that it is told to, says
 * whether it could, and answers runs one after the other.
 */

import { parentPort, workerData } from 'node:worker_threads'
import type { ChannelTensors } from '../principal-model.ts'
import type { Asked, Told } from './model-thread.ts'
import { openPrincipalModel } from './open-model.ts'

const { folder, name } = workerData as Asked
const opened = await openPrincipalModel(folder, name)
tell(
  opened.ok
    ? { type: 'opened', digest: opened.value.digest, maxTokens: opened.value.maxTokens }
    : { type: 'refused', error: opened.error },
)
parentPort?.on('message', ({ id, tensors }: { id: number; tensors: ChannelTensors }) => {
  if (!opened.ok) return
  opened.value.run(tensors).then(
    (output) => tell({ type: 'ran', id, output }),
    (fault: unknown) => tell({ type: 'failed', id, fault: fault as Error }),
  )
})

function tell(told: Told): void {
  // oxlint-disable-next-line require-post-message-target-origin -- threads have no origin
  parentPort?.postMessage(told)
}
