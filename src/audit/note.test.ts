import { test } from 'node:test'
import assert from 'node:assert/strict'
import { FakeClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { MAX_NOTE_LENGTH, openNote, parseVerifierKey, signNote } from './note.ts'
import { logSigner, verifierKeyOf, witnessSigner } from './note-signer.ts'
import { testKey } from './testing.ts'
import { formatTreeHead, openCheckpoint, parseTreeHead } from './tree-head.ts'

// The example of the C2SP signed-note specification.
const EXAMPLE_KEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const EXAMPLE_NOTE =
  'This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'

test('the example of the specification opens', async () => {
  const key = must(await parseVerifierKey(EXAMPLE_KEY))
  const opened = must(await openNote(EXAMPLE_NOTE, [key]))
  assert.equal(opened.text, 'This is an example message.\n')
  assert.deepEqual(
    opened.signatures.map((s) => [s.verifier.name, s.time]),
    [['example.com/foo', undefined]],
  )
})

const malformedKeys: [name: string, vkey: string][] = [
  ['empty', ''],
  ['no key', 'example.com/foo+530d903a'],
  ['another key id', EXAMPLE_KEY.replace('530d903a', '530d903b')],
  ['another name', EXAMPLE_KEY.replace('foo', 'bar')],
  ['an unknown type', 'example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'],
  ['a key that is cut short', EXAMPLE_KEY.slice(0, -4)],
  ['base64 without padding bits of zero', `${EXAMPLE_KEY.slice(0, -1)}l`],
  ['an upper-case key id', EXAMPLE_KEY.replace('530d903a', '530D903A')],
  ['a space in the name', `example.com/ foo${EXAMPLE_KEY.slice(15)}`],
]
for (const [name, vkey] of malformedKeys) {
  test(`a verifier key is refused: ${name}`, async () => {
    const key = await parseVerifierKey(vkey)
    assert.equal(key.ok ? 'accepted' : key.error.reason, 'malformed_key')
  })
}

const signatureLine = EXAMPLE_NOTE.split('\n')[2] ?? ''
const refusedNotes: [name: string, note: string, reason: string][] = [
  ['another text', EXAMPLE_NOTE.replace('example message', 'exemple message'), 'bad_signature'],
  ['no signature', 'This is an example message.\n\n', 'malformed_note'],
  ['no empty line', 'This is an example message.\n', 'malformed_note'],
  ['no newline at the end', EXAMPLE_NOTE.slice(0, -1), 'malformed_note'],
  ['a control character', EXAMPLE_NOTE.replace('This', 'Th\u0007is'), 'malformed_note'],
  ['a carriage return', EXAMPLE_NOTE.replaceAll('\n', '\r\n'), 'malformed_note'],
  ['a lone surrogate', `\ud800${EXAMPLE_NOTE}`, 'malformed_note'],
  ['a hyphen for the dash', EXAMPLE_NOTE.replace('\u2014', '-'), 'malformed_note'],
  ['another name', EXAMPLE_NOTE.replace('com/foo', 'com/bar'), 'unsigned'],
  ['a line of text among the signatures', `${EXAMPLE_NOTE}and more\n`, 'malformed_note'],
  [
    'a second signature by the same key is passed over',
    `${EXAMPLE_NOTE}${signatureLine}\n`,
    'accepted',
  ],
  ['too long', `${'x'.repeat(MAX_NOTE_LENGTH)}${EXAMPLE_NOTE}`, 'malformed_note'],
]
for (const [name, note, reason] of refusedNotes) {
  test(`a note is ${reason}: ${name}`, async () => {
    const opened = await openNote(note, [must(await parseVerifierKey(EXAMPLE_KEY))])
    assert.equal(opened.ok ? 'accepted' : opened.error.reason, reason)
  })
}

test('a signature by a trusted key that does not hold refuses the whole note', async () => {
  const [one, two] = [testKey('one'), testKey('two')]
  const signers = [await logSigner('a.example', one), await logSigner('b.example', two)]
  const keys = [
    must(await parseVerifierKey(await verifierKeyOf('a.example', 'log', one))),
    must(await parseVerifierKey(await verifierKeyOf('b.example', 'log', two))),
  ]
  const note = await signNote('text\n', signers)
  assert.equal(must(await openNote(note, keys)).signatures.length, 2)
  const lines = note.split('\n')
  const forged = lines.with(3, `${lines[3]?.slice(0, -6)}AAAA==`).join('\n')
  const opened = await openNote(forged, keys)
  assert.equal(opened.ok ? 'accepted' : opened.error.reason, 'bad_signature')
  // Whoever does not know the second key ignores it.
  assert.equal(must(await openNote(forged, keys.slice(0, 1))).signatures.length, 1)
})

test('what could not be read back is not signed', async () => {
  const signer = await logSigner('a.example', testKey('one'))
  await assert.rejects(signNote('no newline', [signer]), RangeError)
  await assert.rejects(signNote('a bell\u0007\n', [signer]), RangeError)
  await assert.rejects(logSigner('a name', testKey('one')), RangeError)
})

const root = 'BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc='
const head = { size: 3, root: new Uint8Array(32).fill(7) }

test('a checkpoint is opened with the log’s signature and the witnesses’ times', async () => {
  const clock = new FakeClock()
  const [log, witness] = [testKey('log'), testKey('witness')]
  const text = formatTreeHead('log.example', head)
  assert.equal(text, `log.example\n3\n${root}\n`)
  const note = await signNote(text, [
    await logSigner('log.example', log),
    await witnessSigner('witness.example', witness, clock),
  ])
  const keys = {
    log: must(await parseVerifierKey(await verifierKeyOf('log.example', 'log', log))),
    witnesses: [
      must(await parseVerifierKey(await verifierKeyOf('witness.example', 'witness', witness))),
    ],
  }
  const { cosignatures, ...checkpoint } = must(await openCheckpoint(note, keys))
  assert.deepEqual(checkpoint, { origin: 'log.example', text, size: 3, root: head.root })
  assert.deepEqual(cosignatures, [
    { witness: 'witness.example', time: 1_767_225_600, line: `${note.split('\n')[5]}\n` },
  ])
  // A witness alone is not the log.
  const unsigned = note.replace(/\u2014 log\.example .*\n/, '')
  const refused = await openCheckpoint(unsigned, keys)
  assert.equal(refused.ok ? 'accepted' : refused.error.reason, 'unsigned')
  // A cosignature whose time was changed does not hold.
  const later = Buffer.from(note.split('\n')[5]?.split(' ')[2] ?? '', 'base64')
  later.writeUInt8(later.readUInt8(11) + 1, 11)
  const forged = note.split('\n').with(5, `\u2014 witness.example ${later.toString('base64')}`)
  const opened = await openCheckpoint(forged.join('\n'), keys)
  assert.equal(opened.ok ? 'accepted' : opened.error.reason, 'bad_signature')
})

test('a key signs for the log of its own name only', async () => {
  const signer = await logSigner('log.example', testKey('log'))
  const key = await verifierKeyOf('log.example', 'log', testKey('log'))
  const note = await signNote(formatTreeHead('other.example', head), [signer])
  const opened = await openCheckpoint(note, { log: must(await parseVerifierKey(key)) })
  assert.equal(opened.ok ? 'accepted' : opened.error.reason, 'malformed_checkpoint')
})

const noHeads = [
  '',
  'origin\n',
  `origin\n3\n${root}`,
  `\n3\n${root}\n`,
  `origin\n03\n${root}\n`,
  `origin\n-3\n${root}\n`,
  `origin\n3.0\n${root}\n`,
  `origin\n9999999999999999\n${root}\n`,
  `origin\n3\n${root.slice(4)}\n`,
  `origin\n3\n${root}\n\n`,
]
for (const text of noHeads) {
  test(`no tree head: ${JSON.stringify(text)}`, () => assert.equal(parseTreeHead(text), undefined))
}

test('extension lines are allowed', () => {
  assert.deepEqual(parseTreeHead(`origin\n3\n${root}\nextension\n`), { origin: 'origin', ...head })
})
