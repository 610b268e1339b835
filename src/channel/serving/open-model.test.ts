import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { digestOf } from '../../base/bytes.ts'
import { must } from '../../base/result.ts'
import type { ChannelTensors, PrincipalModel } from '../principal-model.ts'
import { type Manifest, readManifest, servedOf, type Weights } from './manifest.ts'
import { openPrincipalModel } from './open-model.ts'
import { loadRuntime, type Loading } from './runtime.ts'

const WEIGHTS = join(import.meta.dirname, '../../../model/weights')

/** Where the runtime was left out, what needs it cannot be tested. */
const runtime = await loadRuntime()
const withRuntime = { skip: runtime.ok ? false : runtime.error.message }

const unasked: Loading = async () => {
  throw new Error('the runtime was loaded')
}

const absent: Loading = async () => {
  throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
}

/** A copy of the served model's files in a folder of the test's own. */
async function copied(t: TestContext): Promise<{ folder: string; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'behalf-weights-'))
  t.after(() => rm(folder, { recursive: true }))
  const manifest = must(await readManifest(WEIGHTS))
  const file = servedOf(manifest, 'principal')?.file ?? ''
  await copyFile(join(WEIGHTS, 'manifest.json'), join(folder, 'manifest.json'))
  await copyFile(join(WEIGHTS, file), join(folder, file))
  return { folder, file: join(folder, file) }
}

test('weights that are not the manifest’s are refused before the runtime reads them', async (t) => {
  const { folder, file } = await copied(t)
  const bytes = await readFile(file)
  const expected = digestOf(bytes)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  await writeFile(file, bytes)
  const opened = await openPrincipalModel(folder, 'principal', unasked)
  assert.ok(!opened.ok)
  assert.equal(opened.error.reason, 'weights_damaged')
  assert.match(opened.error.message, new RegExp(`${expected}.*${digestOf(bytes)}`))
})

test('what is missing is said, and how to get it', async (t) => {
  assert.deepEqual(await openPrincipalModel(WEIGHTS, 'principal', absent), {
    ok: false,
    error: {
      reason: 'runtime_missing',
      message:
        'expected `onnxruntime-node`, got none: it is not installed: `npm install --no-save` in the folder of Behalf adds it, from the lock file',
    },
  })
  const { folder, file } = await copied(t)
  await rm(file)
  const unwritten = await openPrincipalModel(folder, 'principal', unasked)
  assert.equal(!unwritten.ok && unwritten.error.reason, 'weights_missing')
  await rm(join(folder, 'manifest.json'))
  assert.deepEqual(await openPrincipalModel(folder, 'principal', unasked), {
    ok: false,
    error: {
      reason: 'weights_missing',
      message: 'expected `manifest.json` beside the weights, got nothing',
    },
  })
})

const sha256 = '0'.repeat(64)
const manifests: readonly [name: string, manifest: unknown][] = [
  ['no JSON', undefined],
  ['no models', { benchmark: 'b', words: ['a'], models: [] }],
  ['a path out of the folder', manifestOf({ file: '../principal.onnx' })],
  ['an absolute path', manifestOf({ file: '/etc/passwd' })],
  ['a digest of another kind', manifestOf({ sha256: '0'.repeat(32) })],
  ['a model of which nobody says what it was told', manifestOf({ training: {} })],
  ['no digest', manifestOf({ sha256: undefined })],
]

function manifestOf(more: object): unknown {
  const training = { flags: { channel: 'principal', admission: true } }
  const model = { model: 'principal', file: 'principal.onnx', sha256, training, ...more }
  return { benchmark: 'b', words: ['a'], models: [model] }
}

for (const [name, manifest] of manifests) {
  test(`a manifest with ${name} is refused`, async (t) => {
    const { folder } = await copied(t)
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest) ?? '{')
    const opened = await openPrincipalModel(folder, 'principal', unasked)
    assert.equal(!opened.ok && opened.error.reason, 'weights_damaged')
  })
}

test('of several trainings the one is used that is said to be, else the first', () => {
  const [one, other] = [weightsOf('1.onnx'), weightsOf('2.onnx')]
  assert.equal(fileServed(one, { ...other, served: true }), '2.onnx')
  assert.equal(fileServed(one, other), '1.onnx')
  assert.equal(fileServed({ ...one, model: 'other', served: true }), undefined)
})

function weightsOf(file: string): Weights {
  return (manifestOf({ file }) as Manifest).models[0] as Weights
}

function fileServed(...models: readonly Weights[]): string | undefined {
  return servedOf({ benchmark: 'b', words: ['a'], models: [...models] }, 'principal')?.file
}

test('only a model that has the channel is served', async () => {
  const { models } = must(await readManifest(WEIGHTS))
  const others = models.filter(({ training: { flags } }) => flags.channel !== 'principal')
  assert.ok(others.length > 0)
  for (const name of ['no-such', ...others.map(({ model }) => model)]) {
    const opened = await openPrincipalModel(WEIGHTS, name, unasked)
    assert.equal(!opened.ok && opened.error.reason, 'no_such_model', name)
  }
})

test('who opens no model loads no runtime', withRuntime, async () => {
  const program = `
    const { openPrincipalModel } = await import(${JSON.stringify(join(import.meta.dirname, 'open-model.ts'))})
    const loaded = () => process.report.getReport().sharedObjects.some((one) => one.includes('onnxruntime'))
    const before = loaded()
    await openPrincipalModel(${JSON.stringify(WEIGHTS)}, 'principal')
    console.log(before, loaded())`
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '-e',
    program,
  ])
  assert.equal(stdout, 'false true\n')
})

/** Rows for tokens of one principal, at one level. */
function tensorsOf(ids: readonly number[], more: Partial<ChannelTensors> = {}): ChannelTensors {
  return {
    inputIds: ids,
    authority: ids.map(() => 1),
    kind: ids.map(() => 1),
    principalVectors: new Float32Array(ids.length * 64).fill(1 / 8),
    messageEnds: [ids.length - 1],
    ...more,
  }
}

async function served(): Promise<PrincipalModel> {
  return must(await openPrincipalModel(WEIGHTS, 'principal'))
}

test(
  'the same tensors give the same numbers, and one admission a message',
  withRuntime,
  async () => {
    const model = await served()
    const tensors = tensorsOf([1, 2, 3, 4], { messageEnds: [1, 3] })
    const first = await model.run(tensors)
    assert.deepEqual(await model.run(tensors), first)
    assert.equal(first.admission.length, 2)
    assert.ok(first.logits.every((one) => Number.isFinite(one)))
  },
)

const ids = [1, 2, 3]
const faults: readonly [name: string, tensors: (model: PrincipalModel) => ChannelTensors][] = [
  ['no token', () => tensorsOf([])],
  ['too many', ({ maxTokens }) => tensorsOf(Array.from({ length: maxTokens + 1 }, () => 1))],
  ['an id beyond the vocabulary', () => tensorsOf([1, 10_000])],
  ['an id from the end', () => tensorsOf([1, -1])],
  ['a part of an id', () => tensorsOf([1, 0.5])],
  ['a level that there is not', () => tensorsOf(ids, { authority: [1, 1, 8] })],
  ['a level from the end', () => tensorsOf(ids, { authority: [1, 1, -1] })],
  ['a kind that there is not', () => tensorsOf(ids, { kind: [1, 1, 5] })],
  ['too few levels', () => tensorsOf(ids, { authority: [1, 1] })],
  ['too few kinds', () => tensorsOf(ids, { kind: [1] })],
  ['a vector too few', () => tensorsOf(ids, { principalVectors: new Float32Array(128) })],
  ['a message that ends beyond', () => tensorsOf(ids, { messageEnds: [3] })],
  ['a message that ends before', () => tensorsOf(ids, { messageEnds: [-1] })],
]

for (const [name, tensors] of faults) {
  test(`tensors with ${name} are a fault`, withRuntime, async () => {
    const model = await served()
    await assert.rejects(() => model.run(tensors(model)), RangeError)
  })
}
