import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import * as z from 'zod'
import { sha256 } from '../base/bytes.ts'
import { proveConsistency, proveInclusion, verifyConsistency, verifyInclusion } from './proof.ts'
import { Frontier, leafInput, nodeInput, rootOf, webSha256 } from './tree.ts'

const hex = z.string().transform((text) => new Uint8Array(Buffer.from(text, 'hex')))
const vectors = <T>(file: string, schema: z.ZodType<T>): T =>
  schema.parse(
    JSON.parse(readFileSync(new URL(`../../vectors/ct-merkle/${file}`, import.meta.url), 'utf8')),
  )

/** RFC 6962 §2.1, as it is written: the tree that everything here is compared with. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256('')
  if (leaves.length === 1) return leaves[0] as Uint8Array
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return sha256(nodeInput(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split))))
}

const leavesOf = (size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => sha256(leafInput(Buffer.from(`entry ${i}`))))

const prover = (leaves: readonly Uint8Array[]): Parameters<typeof proveInclusion>[2] => ({
  sha256,
  subtree: async (height, first) => naiveRoot(leaves.slice(first, first + 2 ** height)),
})

test('tree.json: the roots of all trees over the CT leaves', async () => {
  const tree = vectors('tree.json', z.strictObject({ leaves: z.array(hex), roots: z.array(hex) }))
  const hashes = tree.leaves.map((leaf) => sha256(leafInput(leaf)))
  for (const [size, root] of tree.roots.entries()) {
    assert.deepEqual(Buffer.from(await rootOf(hashes.slice(0, size), sha256)), Buffer.from(root))
    assert.deepEqual(Buffer.from(await rootOf(hashes.slice(0, size), webSha256)), Buffer.from(root))
  }
})

const inclusion = z.array(
  z.strictObject({
    name: z.string(),
    leafIndex: z.string(),
    treeSize: z.string(),
    root: hex,
    leafHash: hex,
    proof: z.array(hex),
    valid: z.boolean(),
  }),
)
for (const v of vectors('inclusion.json', inclusion)) {
  test(`inclusion.json: ${v.name} is ${v.valid ? 'valid' : 'refused'}`, async () => {
    const claim = { ...v, index: Number(v.leafIndex), size: Number(v.treeSize) }
    assert.equal(await verifyInclusion(claim, sha256), v.valid)
  })
}

const consistency = z.array(
  z.strictObject({
    name: z.string(),
    oldSize: z.string(),
    newSize: z.string(),
    oldRoot: hex,
    newRoot: hex,
    proof: z.array(hex),
    valid: z.boolean(),
  }),
)
for (const v of vectors('consistency.json', consistency)) {
  test(`consistency.json: ${v.name} is ${v.valid ? 'valid' : 'refused'}`, async () => {
    const claim = { ...v, oldSize: Number(v.oldSize), newSize: Number(v.newSize) }
    assert.equal(await verifyConsistency(claim, sha256), v.valid)
  })
}

test('a frontier has the root of the naive tree at every size', async () => {
  const leaves = leavesOf(70)
  const frontier = new Frontier(sha256)
  for (let size = 0; size <= leaves.length; size++) {
    assert.deepEqual(
      Buffer.from(await frontier.root()),
      Buffer.from(naiveRoot(leaves.slice(0, size))),
    )
    if (size < leaves.length) await frontier.push(leaves[size] as Uint8Array)
  }
})

const place = fc.integer({ min: 1, max: 150 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    index: fc.nat({ max: size - 1 }),
    bit: fc.nat({ max: 255 }),
  }),
)

const flipped = (hash: Uint8Array, bit: number): Uint8Array => {
  const copy = new Uint8Array(hash)
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

test('an inclusion proof holds, and fails for any other leaf, index, root or sibling', async () => {
  await fc.assert(
    fc.asyncProperty(place, async ({ size, index, bit }) => {
      const leaves = leavesOf(size)
      const proof = await proveInclusion(index, size, prover(leaves))
      const leafHash = leaves[index] as Uint8Array
      const claim = { index, size, leafHash, root: naiveRoot(leaves), proof }
      const holds = (changed: Partial<typeof claim>): Promise<boolean> =>
        verifyInclusion({ ...claim, ...changed }, sha256)
      assert.equal(await holds({}), true)
      assert.equal(await holds({ leafHash: flipped(leafHash, bit) }), false)
      assert.equal(await holds({ root: flipped(claim.root, bit) }), false)
      assert.equal(await holds({ index: index + 1 }), false)
      assert.equal(await holds({ proof: [...proof, leafHash] }), false)
      assert.equal(await holds({ leafHash: leafHash.subarray(1) }), false)
      for (const [i, sibling] of proof.entries()) {
        assert.equal(await holds({ proof: proof.with(i, flipped(sibling, bit)) }), false)
        assert.equal(await holds({ proof: proof.toSpliced(i, 1) }), false)
      }
    }),
    { numRuns: 60 },
  )
})

test('a consistency proof holds, and fails for any other prefix, root or sibling', async () => {
  await fc.assert(
    fc.asyncProperty(place, async ({ size, index, bit }) => {
      const leaves = leavesOf(size)
      const oldSize = index + 1
      const oldRoot = naiveRoot(leaves.slice(0, oldSize))
      const proof = await proveConsistency(oldSize, size, prover(leaves))
      const claim = { oldSize, oldRoot, newSize: size, newRoot: naiveRoot(leaves), proof }
      const holds = (changed: Partial<typeof claim>): Promise<boolean> =>
        verifyConsistency({ ...claim, ...changed }, sha256)
      assert.equal(await holds({}), true)
      const forked = leaves.with(index, flipped(leaves[index] as Uint8Array, bit))
      assert.equal(await holds({ oldRoot: naiveRoot(forked.slice(0, oldSize)) }), false)
      assert.equal(await holds({ newRoot: naiveRoot(forked) }), false)
      assert.equal(await holds({ proof: [...proof, oldRoot] }), false)
      for (const [i, sibling] of proof.entries()) {
        assert.equal(await holds({ proof: proof.with(i, flipped(sibling, bit)) }), false)
        assert.equal(await holds({ proof: proof.toSpliced(i, 1) }), false)
      }
    }),
    { numRuns: 60 },
  )
})

test('claims beyond 32 bits are followed to the end', async () => {
  // A tree whose leaves are all the same has one hash per height.
  const rows = [sha256('leaf')]
  for (let i = 0; i < 50; i++)
    rows.push(sha256(nodeInput(rows[i] as Uint8Array, rows[i] as Uint8Array)))
  const env = { sha256, subtree: async (height: number) => rows[height] as Uint8Array }
  const size = 2 ** 40 + 2 ** 33 + 5
  const rangeRoot = async (count: number): Promise<Uint8Array> => {
    let split = 1
    while (split * 2 < count) split *= 2
    if (count === 1 || split * 2 === count) return rows[Math.log2(count)] as Uint8Array
    return sha256(nodeInput(await rangeRoot(split), await rangeRoot(count - split)))
  }
  const root = await rangeRoot(size)
  for (const index of [0, 2 ** 31, 2 ** 32 + 7, 2 ** 40, size - 1]) {
    const proof = await proveInclusion(index, size, env)
    const claim = { index, size, leafHash: rows[0] as Uint8Array, root, proof }
    assert.equal(await verifyInclusion(claim, sha256), true)
    const oldSize = index + 1
    const grown = await proveConsistency(oldSize, size, env)
    const prefix = { oldSize, oldRoot: await rangeRoot(oldSize), newSize: size, newRoot: root }
    assert.equal(await verifyConsistency({ ...prefix, proof: grown }, sha256), true)
  }
})

test('what is no claim is refused, what cannot be proven throws', async () => {
  const root = new Uint8Array(32)
  const claim = { leafHash: root, root, proof: [] }
  for (const [index, size] of [
    [0, 0],
    [-1, 1],
    [0.5, 1],
    [0, Infinity],
    [1, 1],
    [NaN, 2],
  ] as const) {
    assert.equal(await verifyInclusion({ ...claim, index, size }, sha256), false)
    await assert.rejects(proveInclusion(index, size, prover([])), RangeError)
  }
  const empty = { oldSize: 0, oldRoot: sha256(''), newSize: 3, newRoot: root, proof: [] }
  assert.equal(await verifyConsistency(empty, sha256), true)
  assert.equal(await verifyConsistency({ ...empty, oldRoot: root }, sha256), false)
  assert.equal(await verifyConsistency({ ...empty, proof: [root] }, sha256), false)
  await assert.rejects(proveConsistency(4, 3, prover([])), RangeError)
  const long = Array.from({ length: 64 }, () => root)
  assert.equal(await verifyInclusion({ ...claim, index: 0, size: 2, proof: long }, sha256), false)
})
