import { test } from 'node:test'
import assert from 'node:assert/strict'
import { sha256 } from '../base/bytes.ts'
import { must } from '../base/result.ts'
import { encodeEntry, type Entry } from './entry.ts'
import { parseVerifierKey } from './note.ts'
import { logSigner, verifierKeyOf } from './note-signer.ts'
import { proveInclusion } from './proof.ts'
import { formatReceipt, parseReceipt, verifyReceipt, type Receipt } from './receipt.ts'
import { memoryLog, TEST_ORIGIN, testEntry, testKey } from './testing.ts'
import { subtreeReader } from './tile.ts'

const signer = await logSigner(TEST_ORIGIN, testKey('log'))
const log = must(await parseVerifierKey(await verifierKeyOf(TEST_ORIGIN, 'log', testKey('log'))))
const entries: Entry[] = Array.from({ length: 300 }, (_, i) => testEntry(`grp_${i}`))
const { source, checkpoint } = await memoryLog(entries, signer)
const proof = await proveInclusion(257, 300, {
  subtree: subtreeReader(source, 300, sha256),
  sha256,
})
const receipt: Receipt = {
  index: 257,
  extra: encodeEntry(entries[257] as Entry),
  proof,
  checkpoint,
}
const text = formatReceipt(receipt)

async function verdict(received: string, entry?: Uint8Array): Promise<string> {
  const result = await verifyReceipt(received, { log }, entry && { entry })
  return result.ok ? `${result.value.index}` : result.error.reason
}

test('a receipt shows its entry, its place and the checkpoint', async () => {
  const proven = must(await verifyReceipt(text, { log }))
  assert.deepEqual(proven.entry, entries[257])
  assert.equal(proven.index, 257)
  assert.equal(proven.checkpoint.size, 300)
  assert.equal(text.split('\n')[0], 'c2sp.org/tlog-proof@v1')
  assert.equal(text.split('\n')[2], 'index 257')
  assert.ok(text.endsWith(`\n\n${checkpoint}`))
})

test('print and parse are inverse', () => {
  const parsed = must(parseReceipt(text))
  assert.equal(formatReceipt(parsed), text)
  assert.equal(parsed.index, receipt.index)
  assert.equal(parsed.checkpoint, checkpoint)
  assert.deepEqual(
    parsed.proof.map((hash) => hash.toHex()),
    proof.map((hash) => hash.toHex()),
  )
})

test('a receipt without its entry is verified with the entry beside it', async () => {
  const { extra, ...bare } = receipt
  assert.equal(await verdict(formatReceipt(bare)), 'malformed_receipt')
  assert.equal(await verdict(formatReceipt(bare), extra), '257')
  assert.equal(await verdict(text, encodeEntry(testEntry('grp_forged'))), 'not_included')
})

const lines = text.split('\n')
const refused: [name: string, received: string, reason: string][] = [
  ['empty', '', 'malformed_receipt'],
  ['another version', text.replace('@v1', '@v2'), 'malformed_receipt'],
  ['no index', lines.toSpliced(2, 1).join('\n'), 'malformed_receipt'],
  ['an index with a leading zero', text.replace('index 257', 'index 0257'), 'malformed_receipt'],
  ['another index', text.replace('index 257', 'index 256'), 'not_included'],
  ['an index beyond the tree', text.replace('index 257', 'index 9007199254740993'), 'not_included'],
  [
    'another entry',
    formatReceipt({ ...receipt, extra: encodeEntry(testEntry('grp_x')) }),
    'not_included',
  ],
  ['a sibling less', lines.toSpliced(3, 1).join('\n'), 'not_included'],
  ['a sibling that is no base64', lines.with(3, '***').join('\n'), 'malformed_receipt'],
  ['a sibling that is no hash', lines.with(3, 'AAAA').join('\n'), 'malformed_receipt'],
  [
    'siblings in another order',
    lines
      .with(3, lines[4] ?? '')
      .with(4, lines[3] ?? '')
      .join('\n'),
    'not_included',
  ],
  [
    'too many siblings',
    formatReceipt({ ...receipt, proof: Array(64).fill(proof[0]) }),
    'malformed_receipt',
  ],
  ['another size', text.replace('\n300\n', '\n301\n'), 'bad_signature'],
  ['no checkpoint', text.slice(0, text.indexOf('\n\n')), 'malformed_receipt'],
  ['carriage returns', text.replaceAll('\n', '\r\n'), 'malformed_receipt'],
  ['too long', `${text}${'x'.repeat(262_144)}`, 'malformed_receipt'],
]
for (const [name, received, reason] of refused) {
  test(`${reason}: ${name}`, async () => assert.equal(await verdict(received), reason))
}

test('a receipt over what is no entry is refused, however well it is proven', async () => {
  const odd = await memoryLog([Buffer.from('{"hello":1}')], signer)
  const extra = Buffer.from('{"hello":1}')
  const received = formatReceipt({ index: 0, extra, proof: [], checkpoint: odd.checkpoint })
  assert.equal(await verdict(received), 'malformed_entry')
})
