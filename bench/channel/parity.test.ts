import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { must } from '../../src/base/result.ts'
import { readManifest, servedOf } from '../../src/channel/serving/manifest.ts'
import { openNetwork } from '../../src/channel/serving/network.ts'
import { loadRuntime } from '../../src/channel/serving/runtime.ts'
import { readVectors } from './parity.ts'
import { inputOf } from './tensors.ts'
import { VOCABULARY } from './vocabulary.ts'

const WEIGHTS = join(import.meta.dirname, '../../model/weights')
const TOLERANCE = 1e-4

const runtime = await loadRuntime()
const skip = runtime.ok ? false : runtime.error.message

test('the served network says what PyTorch says, on a thousand questions', { skip }, async () => {
  const { model, vectors } = await readVectors()
  assert.ok(vectors.length >= 1_000)
  const manifest = must(await readManifest(WEIGHTS))
  const weights = servedOf(manifest, model)
  assert.ok(weights !== undefined)
  const words = manifest.words.length
  const network = must(await openNetwork(weights, { folder: WEIGHTS, words }))
  let greatest = 0
  for (const { set, conversation, asked, logits, admission } of vectors) {
    const input = inputOf(conversation, asked)
    const output = await network.run(input)
    const width = VOCABULARY.length
    const answer = output.logits.subarray((input.length - 2) * width, (input.length - 1) * width)
    const end = conversation.tokens.ids.length - 1
    const admitted = output.admission?.subarray(end * 3, end * 3 + 3)
    const off = Math.max(difference(answer, logits), difference(admitted ?? [], admission))
    assert.ok(off <= TOLERANCE, `${set}: differs by ${off}`)
    greatest = Math.max(greatest, off)
  }
  // Numbers that agree to the last bit would be one file compared with itself.
  assert.ok(greatest > 0)
})

function difference(ours: ArrayLike<number>, theirs: Float32Array): number {
  assert.equal(ours.length, theirs.length)
  return theirs.reduce((most, value, at) => Math.max(most, Math.abs(value - (ours[at] ?? NaN))), 0)
}
