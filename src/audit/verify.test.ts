import { test } from 'node:test'
import assert from 'node:assert/strict'
import { sha256 } from '../base/bytes.ts'
import { FakeClock } from '../base/clock.ts'
import { encodeEntry, type Entry } from './entry.ts'
import { joinBundle, splitBundle } from './entry-bundle.ts'
import { signatureLine } from './note.ts'
import { logSigner, verifierKeyOf, witnessSigner } from './note-signer.ts'
import { memoryLog, TEST_ORIGIN, testEntry, testIntended, testKey } from './testing.ts'
import { verifyLog, WITNESSED_PATH, type LogTrust, type VerifiedLog } from './verify.ts'

const signer = await logSigner(TEST_ORIGIN, testKey('log'))
const log = await verifierKeyOf(TEST_ORIGIN, 'log', testKey('log'))
const witness = await witnessSigner('witness.example', testKey('witness'), new FakeClock())
const witnesses = [await verifierKeyOf('witness.example', 'witness', testKey('witness'))]

const entriesOf = (size: number): Entry[] =>
  Array.from({ length: size }, (_, i) => testEntry(`grp_${i}`))
const cosigned = async (note: string): Promise<string> =>
  note + (await signatureLine(note.slice(0, note.indexOf('\n\n') + 1), witness))

/** What verification says, in short. */
async function verdict(
  files: ReadonlyMap<string, Uint8Array>,
  trust: LogTrust = { log },
): Promise<string> {
  const result = await verifyLog(async (path) => files.get(path), trust, { sha256 })
  if (result.ok) return `${result.value.size}: ${result.value.standing}`
  const { reason, index, path } = result.error
  return [reason, index, index === undefined ? path : undefined]
    .filter((w) => w !== undefined)
    .join(' ')
}

for (const size of [0, 1, 255, 256, 257, 700]) {
  test(`a log of ${size} entries verifies, by WebCrypto too`, async () => {
    const { source, checkpoint } = await memoryLog(entriesOf(size), signer)
    const seen: number[] = []
    const want: VerifiedLog = {
      origin: TEST_ORIGIN,
      size,
      root: Buffer.from(checkpoint.split('\n')[2] ?? '', 'base64'),
      standing: 'operator-signed only',
    }
    const fast = await verifyLog(source, { log }, { sha256, onEntry: (index) => seen.push(index) })
    assert.deepEqual(seen, [...Array(size).keys()])
    assert.ok(fast.ok)
    assert.deepEqual({ ...fast.value, root: Buffer.from(fast.value.root) }, want)
    assert.equal((await verifyLog(source, { log })).ok, true)
  })
}

for (const index of [0, 255, 256, 511, 599]) {
  test(`entry ${index} of 600 is named when it is altered, missing or moved`, async () => {
    const { files } = await memoryLog(entriesOf(600), signer)
    const path = index < 512 ? `tile/entries/00${index >> 8}` : 'tile/entries/002.p/88'
    const bundle = splitBundle(files.get(path) ?? new Uint8Array(0))
    const put = (entries: Uint8Array[]): Map<string, Uint8Array> =>
      new Map(files).set(path, joinBundle(entries))
    const forged = encodeEntry(testEntry('grp_forged'))
    assert.equal(await verdict(put(bundle.with(index % 256, forged))), `entry_altered ${index}`)
    assert.equal(await verdict(put(bundle.slice(0, index % 256))), `entry_missing ${index}`)
    const without = bundle.toSpliced(index % 256, 1)
    const isLast = index === 255 || index === 511 || index === 599
    const reason = isLast ? 'entry_missing' : 'entry_altered'
    assert.equal(await verdict(put(without)), `${reason} ${index}`)
  })
}

test('the first of several altered entries is named', async () => {
  const { files } = await memoryLog(entriesOf(300), signer)
  for (const [path, offset] of [
    ['tile/entries/001.p/44', 3],
    ['tile/entries/000', 77],
  ] as const) {
    const bundle = splitBundle(files.get(path) ?? new Uint8Array(0))
    files.set(path, joinBundle(bundle.with(offset, encodeEntry(testEntry('grp_forged')))))
  }
  assert.equal(await verdict(files), 'entry_altered 77')
})

test('a tile that is altered or missing is named', async () => {
  const { files } = await memoryLog(entriesOf(66_000), signer)
  assert.equal(await verdict(files), '66000: operator-signed only')
  for (const path of ['tile/0/000', 'tile/1/000']) {
    const bytes = new Uint8Array(files.get(path) ?? [])
    bytes[5] = (bytes[5] ?? 0) ^ 1
    assert.equal(await verdict(new Map(files).set(path, bytes)), `tile_altered ${path}`)
    assert.equal(
      await verdict(new Map(files).set(path, bytes.subarray(32))),
      `tile_altered ${path}`,
    )
    const without = new Map(files)
    without.delete(path)
    assert.equal(await verdict(without), `tile_missing ${path}`)
  }
  const last = new Map(files)
  last.delete('tile/0/256')
  assert.equal(await verdict(last), 'tile_missing tile/0/256')
  const edge = new Uint8Array(files.get('tile/0/257.p/208') ?? [])
  edge[5] = (edge[5] ?? 0) ^ 1
  assert.equal(
    await verdict(new Map(files).set('tile/0/257.p/208', edge)),
    'tile_altered tile/2/000.p/1 tile/1/001.p/1 tile/0/257.p/208',
  )
})

test('an entry and its leaf altered together are caught by the tile', async () => {
  const honest = await memoryLog(entriesOf(300), signer)
  const forged = await memoryLog(entriesOf(300).with(4, testEntry('grp_forged')), signer)
  forged.files.set('checkpoint', honest.files.get('checkpoint') ?? new Uint8Array(0))
  const edge = 'tile/1/000.p/1 tile/0/001.p/44'
  assert.equal(await verdict(forged.files), `tile_altered ${edge}`)
  forged.files.set('tile/1/000.p/1', honest.files.get('tile/1/000.p/1') ?? new Uint8Array(0))
  assert.equal(await verdict(forged.files), 'tile_altered tile/0/000')
})

test('a wider tile stands in for a partial one that is gone', async () => {
  const small = await memoryLog(entriesOf(100), signer)
  const { files } = await memoryLog(entriesOf(256), signer)
  files.set('checkpoint', small.files.get('checkpoint') ?? new Uint8Array(0))
  assert.equal(await verdict(files), '100: operator-signed only')
})

test('entries that nobody can read, or that break a rule, are named', async () => {
  const { files } = await memoryLog([testEntry('grp_0'), testEntry('grp_1')], signer)
  // A member that is repeated hides what another reader would see; the tree is signed over it.
  const broken: [entry: string, verdict: string][] = [
    ['{"v":1,"v":1}', 'entry_malformed 0'],
    ['{"v":1}', 'entry_malformed 0'],
    ['not json', 'entry_malformed 0'],
    ['\ufeff{}', 'entry_malformed 0'],
  ]
  for (const [entry, want] of broken) {
    const forged = await memoryLog([Buffer.from(entry)], signer)
    assert.equal(await verdict(forged.files), want)
  }
  assert.equal(await verdict(files), '2: operator-signed only')
  const stale = [testEntry('grp_0', ['dlg_1']), testIntended('c', { readAt: 0 })]
  assert.equal(await verdict((await memoryLog(stale, signer)).files), 'rule_broken 1')
})

test('an earlier checkpoint is continued, or the log shrank, or it forked', async () => {
  const before = await memoryLog(entriesOf(300), signer)
  const after = await memoryLog(entriesOf(700), signer)
  const forked = await memoryLog(entriesOf(700).with(299, testEntry('grp_forged')), signer)
  const since = before.checkpoint
  assert.equal(await verdict(after.files, { log, since }), '700: operator-signed only')
  assert.equal(await verdict(before.files, { log, since }), '300: operator-signed only')
  assert.equal(await verdict(before.files, { log, since: after.checkpoint }), 'log_shrunk')
  assert.equal(await verdict(forked.files), '700: operator-signed only')
  assert.equal(await verdict(forked.files, { log, since }), 'log_forked')
  const empty = await memoryLog([], signer)
  assert.equal(
    await verdict(after.files, { log, since: empty.checkpoint }),
    '700: operator-signed only',
  )
  const result = await verifyLog(after.source, { log, since }, { sha256 })
  assert.equal(result.ok && result.value.since, 300)
})

test('a witness makes it more than the operator’s word, up to the size that it saw', async () => {
  const small = await memoryLog(entriesOf(300), signer)
  const { files } = await memoryLog(entriesOf(700), signer)
  const trust = { log, witnesses }
  assert.equal(await verdict(files, trust), '700: operator-signed only')
  files.set(WITNESSED_PATH, Buffer.from(await cosigned(small.checkpoint)))
  assert.equal(await verdict(files, trust), '700: witnessed')
  assert.equal(await verdict(files), '700: operator-signed only')
  const result = await verifyLog(async (path) => files.get(path), trust, { sha256 })
  assert.deepEqual(result.ok && result.value.witnessed, { size: 300, by: ['witness.example'] })
  // What a witness saw must be a prefix too.
  const forked = await memoryLog(entriesOf(300).with(9, testEntry('grp_forged')), signer)
  files.set(WITNESSED_PATH, Buffer.from(await cosigned(forked.checkpoint)))
  assert.equal(await verdict(files, trust), 'log_forked')
})

test('without a checkpoint by the log itself nothing is verified', async () => {
  const { files, checkpoint } = await memoryLog(entriesOf(3), signer)
  const put = (note: string): Map<string, Uint8Array> =>
    new Map(files).set('checkpoint', Buffer.from(note))
  const foreign = await logSigner(TEST_ORIGIN, testKey('foreign'))
  assert.equal(await verdict(new Map()), 'checkpoint_missing')
  assert.equal(await verdict(put('')), 'checkpoint_refused checkpoint')
  assert.equal(
    await verdict(put(checkpoint.replace('\n3\n', '\n2\n'))),
    'checkpoint_refused checkpoint',
  )
  const forged = (await memoryLog(entriesOf(3), foreign)).files
  assert.equal(await verdict(forged), 'checkpoint_refused checkpoint')
  assert.equal(await verdict(files, { log: 'no key' }), 'malformed_key')
  assert.equal(await verdict(files, { log: witnesses[0] ?? '' }), 'malformed_key')
  assert.equal(await verdict(files, { log, witnesses: [log] }), 'malformed_key')
  assert.equal(await verdict(files, { log, since: 'nothing' }), 'checkpoint_refused since')
})
