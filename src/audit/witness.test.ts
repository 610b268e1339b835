import { test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '../base/bytes.ts'
import { FakeClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { parseVerifierKey, signNote } from './note.ts'
import { logSigner, verifierKeyOf, witnessSigner } from './note-signer.ts'
import { proveConsistency } from './proof.ts'
import { memoryLog, TEST_ORIGIN, testEntry, testKey } from './testing.ts'
import { subtreeReader } from './tile.ts'
import { openCheckpoint, type TreeHead } from './tree-head.ts'
import {
  formatAddCheckpoint,
  parseAddCheckpoint,
  WITNESS_STATUS,
  witnessCheckpoint,
  witnessLog,
  type AddCheckpoint,
  type WitnessEnv,
  type WitnessState,
} from './witness.ts'
import { openWitnessState } from './witness-state.ts'

const logKey = await logSigner(TEST_ORIGIN, testKey('log'))
const log = must(await parseVerifierKey(await verifierKeyOf(TEST_ORIGIN, 'log', testKey('log'))))
const witness = must(
  await parseVerifierKey(await verifierKeyOf('witness.example', 'witness', testKey('witness'))),
)
const clock = new FakeClock()
const witnessKey = await witnessSigner('witness.example', testKey('witness'), clock)

type Log = Awaited<ReturnType<typeof memoryLog>>
const logOf = (size: number, forgedAt = -1): Promise<Log> =>
  memoryLog(
    Array.from({ length: size }, (_, i) => testEntry(i === forgedAt ? 'grp_forged' : `grp_${i}`)),
    logKey,
  )

function memoryState(start?: TreeHead): WitnessState & { last: TreeHead | undefined } {
  return {
    last: start,
    async read() {
      return this.last
    },
    async advance(_origin, last, next) {
      if (this.last !== last) return false
      this.last = next
      return true
    },
  }
}

const envOf = (state: WitnessState = memoryState()): WitnessEnv => ({
  logs: [log],
  signer: witnessKey,
  state,
  sha256,
})

async function requestFor(oldSize: number, size: number, to: Log): Promise<AddCheckpoint> {
  const subtree = subtreeReader(to.source, size, sha256)
  const proof = await proveConsistency(oldSize, size, { subtree, sha256 })
  return { oldSize, proof, checkpoint: to.checkpoint }
}

test('a log that grows is cosigned at each step', async () => {
  const env = envOf()
  let oldSize = 0
  for (const size of [0, 1, 5, 5, 256, 700]) {
    const grown = await logOf(size)
    const line = must(await witnessCheckpoint(await requestFor(oldSize, size, grown), env))
    const opened = must(
      await openCheckpoint(grown.checkpoint + line, { log, witnesses: [witness] }),
    )
    assert.deepEqual(opened.cosignatures, [
      { witness: 'witness.example', time: 1_767_225_600, line },
    ])
    oldSize = size
  }
})

test('a log whose tiles can be read is cosigned without a proof from it', async () => {
  const env = envOf()
  for (const size of [3, 300]) {
    const note = must(await witnessLog((await logOf(size)).source, env))
    const opened = must(await openCheckpoint(note, { log, witnesses: [witness] }))
    assert.equal(opened.size, size)
    assert.equal(opened.cosignatures.length, 1)
  }
  const forked = await witnessLog((await logOf(400, 7)).source, env)
  assert.equal(forked.ok ? 'cosigned' : forked.error.reason, 'inconsistent')
  const shrunk = await witnessLog((await logOf(200)).source, env)
  assert.equal(shrunk.ok ? 'cosigned' : shrunk.error.reason, 'malformed_request')
  assert.deepEqual(await witnessLog(async () => undefined, env), {
    ok: false,
    error: { reason: 'malformed_request', message: 'expected a checkpoint' },
  })
})

test('whatever does not continue what was cosigned is refused, and nothing is remembered', async () => {
  const state = memoryState()
  const env = envOf(state)
  const seen = await logOf(5)
  must(await witnessCheckpoint(await requestFor(0, 5, seen), env))
  const last = state.last
  const grown = await logOf(9)
  const good = await requestFor(5, 9, grown)
  const foreign = await memoryLog(
    [testEntry('grp_0')],
    await logSigner('other.example', testKey('log')),
  )
  const forged = await memoryLog(
    [testEntry('grp_0')],
    await logSigner(TEST_ORIGIN, testKey('forger')),
  )
  const cases: [name: string, request: AddCheckpoint, reason: string][] = [
    ['a fork', await requestFor(5, 9, await logOf(9, 2)), 'inconsistent'],
    ['a fork of the same size', await requestFor(5, 5, await logOf(5, 2)), 'inconsistent'],
    ['no proof', { ...good, proof: [] }, 'inconsistent'],
    ['an older tree', await requestFor(0, 4, await logOf(4)), 'stale'],
    ['an old size that is not ours', await requestFor(4, 9, grown), 'stale'],
    ['an old size beyond the tree', { ...good, oldSize: 10 }, 'malformed_request'],
    ['another log', { ...good, checkpoint: foreign.checkpoint }, 'unknown_log'],
    ['a forged signature', { ...good, checkpoint: forged.checkpoint }, 'bad_signature'],
    [
      'another size',
      { ...good, checkpoint: good.checkpoint.replace('\n9\n', '\n8\n') },
      'bad_signature',
    ],
    ['no checkpoint', { ...good, checkpoint: '' }, 'unknown_log'],
  ]
  for (const [name, request, reason] of cases) {
    const answer = await witnessCheckpoint(request, env)
    assert.equal(answer.ok ? 'cosigned' : answer.error.reason, reason, name)
    assert.ok(WITNESS_STATUS[answer.ok ? 'stale' : answer.error.reason] >= 400)
    assert.equal(state.last, last, name)
  }
  assert.deepEqual(await witnessCheckpoint(await requestFor(0, 9, grown), env), {
    ok: false,
    error: { reason: 'stale', size: 5, message: 'the last checkpoint cosigned has size 5' },
  })
  must(await witnessCheckpoint(good, env))
})

test('the first checkpoint needs no proof, and of an empty log only the empty root', async () => {
  const grown = await logOf(5)
  const padded = await witnessCheckpoint(
    { oldSize: 0, proof: [new Uint8Array(32)], checkpoint: grown.checkpoint },
    envOf(),
  )
  assert.equal(padded.ok ? 'cosigned' : padded.error.reason, 'inconsistent')
  const note = await signNote(`${TEST_ORIGIN}\n0\n${new Uint8Array(32).toBase64()}\n`, [logKey])
  const odd = await witnessCheckpoint({ oldSize: 0, proof: [], checkpoint: note }, envOf())
  assert.equal(odd.ok ? 'cosigned' : odd.error.reason, 'inconsistent')
})

test('the body of a request: print and parse are inverse, the malformed is refused', async () => {
  const request = await requestFor(5, 9, await logOf(9))
  const parsed = must(parseAddCheckpoint(formatAddCheckpoint(request)))
  assert.deepEqual(
    { ...parsed, proof: parsed.proof.map((h) => h.toHex()) },
    { ...request, proof: request.proof.map((h) => h.toHex()) },
  )
  const body = formatAddCheckpoint(request)
  const malformed = [
    '',
    'old 5\n',
    body.replace('old', 'new'),
    body.replace('old 5', 'old 05'),
    body.replace('old 5', 'old -1'),
    body.replace('\n\n', '\nAAAA\n\n'),
    body.replace('\n\n', '\n?\n\n'),
    formatAddCheckpoint({
      ...request,
      proof: Array.from({ length: 64 }, () => new Uint8Array(32)),
    }),
  ]
  for (const text of malformed) {
    const answer = parseAddCheckpoint(text)
    assert.equal(answer.ok ? 'parsed' : answer.error.reason, 'malformed_request', text)
  }
})

test('of two forks that come at once only one is cosigned', async (t) => {
  const state = await openWitnessState(await stateFile(t))
  const env = envOf(state)
  must(await witnessCheckpoint(await requestFor(0, 5, await logOf(5)), env))
  const [one, two] = [await logOf(9), await logOf(9, 7)]
  const answers = await Promise.all([
    witnessCheckpoint(await requestFor(5, 9, one), env),
    witnessCheckpoint(await requestFor(5, 9, two), env),
  ])
  assert.deepEqual(answers.map((a) => (a.ok ? 'cosigned' : a.error.reason)).toSorted(), [
    'cosigned',
    'stale',
  ])
})

test('the state outlives the process, whole', async (t) => {
  const file = await stateFile(t)
  const head = { size: 5, root: sha256('root') }
  const first = await openWitnessState(file)
  assert.equal(await first.read(TEST_ORIGIN), undefined)
  assert.equal(await first.advance(TEST_ORIGIN, undefined, head), true)
  assert.equal(await first.advance(TEST_ORIGIN, undefined, head), false)
  assert.equal(await first.advance('__proto__', undefined, head), true)
  assert.deepEqual(await (await openWitnessState(file)).read(TEST_ORIGIN), head)
  assert.deepEqual(await readdir(join(file, '..')), ['state.json'])
  // A file that was left half written by a crash is not in the way.
  await writeFile(`${file}.new`, '{"half')
  assert.equal(await first.advance(TEST_ORIGIN, head, { ...head, size: 6 }), true)
  assert.match(await readFile(file, 'utf8'), /"size": 6/)
})

test('a state that cannot be written is not signed for', async (t) => {
  const state = await openWitnessState(join(await stateFile(t), 'no-folder'))
  const request = await requestFor(0, 5, await logOf(5))
  await assert.rejects(witnessCheckpoint(request, envOf(state)), { code: 'ENOENT' })
  assert.equal(await state.read(TEST_ORIGIN), undefined)
})

test('a state that cannot be read is a fault, not a new beginning', async (t) => {
  const file = await stateFile(t)
  for (const text of ['', '{"log.example/behalf":{"size":-1,"root":""}}', '[]']) {
    await writeFile(file, text)
    await assert.rejects(openWitnessState(file), {
      message: 'the state of the witness cannot be read',
    })
  }
})

async function stateFile(t: { after: (end: () => Promise<void>) => void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'witness-'))
  t.after(() => rm(folder, { recursive: true }))
  return join(folder, 'state.json')
}
