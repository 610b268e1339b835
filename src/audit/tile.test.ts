import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { sha256 } from '../base/bytes.ts'
import { joinBundle, splitBundle } from './entry-bundle.ts'
import { proveInclusion, verifyInclusion } from './proof.ts'
import {
  edgeRoot,
  edgeTiles,
  growTree,
  joinTile,
  parseTilePath,
  splitTile,
  subtreeReader,
  TILE_WIDTH,
  tilePath,
  tileWidth,
  type GrowingTree,
  type TilePlace,
  type TileSource,
} from './tile.ts'
import { leafInput, rootOf } from './tree.ts'

const paths: [path: string, place: TilePlace][] = [
  ['tile/0/000', { level: 0, index: 0, width: 256 }],
  ['tile/0/000.p/1', { level: 0, index: 0, width: 1 }],
  ['tile/3/x001/x234/067', { level: 3, index: 1_234_067, width: 256 }],
  ['tile/63/x001/000.p/255', { level: 63, index: 1_000, width: 255 }],
  ['tile/entries/x273/000.p/112', { level: 'entries', index: 273_000, width: 112 }],
]
for (const [path, place] of paths) {
  test(`${path} names one place`, () => {
    assert.equal(tilePath(place), path)
    assert.deepEqual(parseTilePath(path), place)
  })
}

const noPaths = [
  'tile/64/000',
  'tile/00/000',
  'tile/0/0',
  'tile/0/0000',
  'tile/0/x000/001',
  'tile/0/001/002',
  'tile/0/000.p/0',
  'tile/0/000.p/256',
  'tile/0/000.p/01',
  'tile/0/000.p/1/',
  'tile/0/../0/000',
  'tile/entries/../../etc/passwd',
  'tile/entry/000',
  '/tile/0/000',
  'tile/0/000\n',
  'checkpoint',
  '',
]
for (const path of noPaths) {
  test(`\`${path.trim()}\` names no tile`, () => assert.equal(parseTilePath(path), undefined))
}

test('a tree of 70,000 has the tiles that the specification says', () => {
  assert.deepEqual(edgeTiles(70_000), [
    { level: 2, index: 0, width: 1 },
    { level: 1, index: 1, width: 17 },
    { level: 0, index: 273, width: 112 },
  ])
  assert.equal(tileWidth(0, 272, 70_000), 256)
  assert.equal(tileWidth(0, 273, 70_000), 112)
  assert.equal(tileWidth(0, 274, 70_000), 0)
  assert.equal(tileWidth(1, 0, 70_000), 256)
  assert.deepEqual(edgeTiles(256), [{ level: 1, index: 0, width: 1 }])
  assert.deepEqual(edgeTiles(0), [])
})

const leavesOf = (size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => sha256(leafInput(Buffer.from(`entry ${i}`))))

/** Keeps tiles as a log does: a wider one in the place of a narrower. */
async function growing(
  sizes: readonly number[],
): Promise<{ tree: GrowingTree; source: TileSource }> {
  const kept = new Map<string, Uint8Array>()
  const leaves = leavesOf(Math.max(...sizes))
  let tree: GrowingTree = { size: 0, edge: [] }
  for (const size of sizes) {
    const grown = await growTree(tree, leaves.slice(tree.size, size), sha256)
    tree = grown.tree
    for (const { level, index, hashes } of grown.tiles) {
      kept.set(tilePath({ level, index, width: TILE_WIDTH }), joinTile(hashes))
      kept.set(tilePath({ level, index, width: hashes.length }), joinTile(hashes))
    }
  }
  return { tree, source: async (path) => kept.get(path) }
}

for (const sizes of [[1], [255, 256, 257], [600], [1, 300, 65_536], [65_535, 65_537, 66_000]]) {
  test(`a tree grown to ${sizes.join(', ')} has the root of its leaves, and proves each`, async () => {
    const { tree, source } = await growing(sizes)
    const leaves = leavesOf(tree.size)
    const root = await rootOf(leaves, sha256)
    assert.deepEqual(Buffer.from(await edgeRoot(tree.edge.toReversed(), sha256)), Buffer.from(root))
    const subtree = subtreeReader(source, tree.size, sha256)
    for (const index of [0, tree.size >> 1, tree.size - 1]) {
      const proof = await proveInclusion(index, tree.size, { subtree, sha256 })
      const claim = { index, size: tree.size, leafHash: leaves[index] as Uint8Array, root, proof }
      assert.equal(await verifyInclusion(claim, sha256), true)
    }
  })
}

test('in which steps a tree grows makes no difference', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 6 }),
      async (steps) => {
        let tree: GrowingTree = { size: 0, edge: [] }
        const total = steps.reduce((sum, step) => sum + step, 0)
        const leaves = leavesOf(total)
        for (const step of steps) {
          tree = (await growTree(tree, leaves.slice(tree.size, tree.size + step), sha256)).tree
        }
        const whole = await growTree({ size: 0, edge: [] }, leaves, sha256)
        const root = await edgeRoot(tree.edge.toReversed(), sha256)
        assert.equal(tree.size, whole.tree.size)
        assert.deepEqual(Buffer.from(root), Buffer.from(await rootOf(leaves, sha256)))
      },
    ),
    { numRuns: 25 },
  )
})

test('a tile that is missing or has no whole hashes is a fault', async () => {
  await assert.rejects(subtreeReader(async () => undefined, 5, sha256)(0, 0), /got nothing/)
  await assert.rejects(subtreeReader(async () => new Uint8Array(33), 5, sha256)(0, 0), RangeError)
  await assert.rejects(subtreeReader(async () => new Uint8Array(32), 5, sha256)(0, 3), RangeError)
  assert.throws(() => splitTile(new Uint8Array(31)), RangeError)
})

test('a bundle gives back its entries, up to the first that is cut short', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 })),
      fc.nat({ max: 100 }),
      (entries, cut) => {
        const bytes = joinBundle(entries)
        assert.deepEqual(splitBundle(bytes).map(toHex), entries.map(toHex))
        const short = splitBundle(bytes.subarray(0, bytes.length - cut))
        assert.deepEqual(short.map(toHex), entries.slice(0, short.length).map(toHex))
        if (cut > 0 && entries.length > 0) assert.ok(short.length < entries.length)
      },
    ),
  )
  const largest = new Uint8Array(65_535)
  assert.equal(splitBundle(joinBundle([largest]))[0]?.length, 65_535)
})

function toHex(bytes: Uint8Array): string {
  return bytes.toHex()
}
