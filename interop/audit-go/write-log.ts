/** Writes a log of test entries to a folder, for `main.go`: `node write-log.ts <folder> <size>`. */

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { argv } from 'node:process'
import { encodeEntry } from '../../src/audit/entry.ts'
import { logSigner, verifierKeyOf } from '../../src/audit/note-signer.ts'
import { proveInclusion } from '../../src/audit/proof.ts'
import { formatReceipt } from '../../src/audit/receipt.ts'
import { memoryLog, TEST_ORIGIN, testEntry, testKey } from '../../src/audit/testing.ts'
import { subtreeReader } from '../../src/audit/tile.ts'
import { sha256 } from '../../src/base/bytes.ts'

const [folder = '/tmp/log', count = '70000'] = argv.slice(2)
const size = Number(count)
const key = testKey('interop')
const signer = await logSigner(TEST_ORIGIN, key)
const entries = Array.from({ length: size }, (_, i) => testEntry(`grp_${i}`))
const { files, source, checkpoint } = await memoryLog(entries, signer)
const earlier = await memoryLog(entries.slice(0, Math.ceil(size / 3)), signer)
const last = entries.at(-1)
if (last === undefined) throw new RangeError('expected a size of at least 1')
const subtree = subtreeReader(source, size, sha256)
const proof = await proveInclusion(size - 1, size, { subtree, sha256 })

files.set('vkey', Buffer.from(await verifierKeyOf(TEST_ORIGIN, 'log', key)))
files.set('checkpoint.earlier', Buffer.from(earlier.checkpoint))
files.set(
  'last.tlog-proof',
  Buffer.from(formatReceipt({ index: size - 1, extra: encodeEntry(last), proof, checkpoint })),
)
for (const [path, bytes] of files) {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), bytes)
}
