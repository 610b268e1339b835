/**
 * Inclusion and consistency proofs (RFC 6962 §2.1.1 and §2.1.2): verifying them, and building them from
 * the hashes of subtrees (`subtreeReader` in `tile.ts`).
 *
 * Call `verifyInclusion` or `verifyConsistency`; the algorithms are those of RFC 9162 §2.1.3.2 and
 * §2.1.4.2, on numbers beyond 32 bits. This file reaches no module of a runtime: receipts are verified
 * in browsers.
 */

import { equalHashes, HASH_BYTES, nodeInput, type Sha256 } from './tree.ts'

/** No tree that fits into a safe integer needs a longer proof. */
export const MAX_PROOF_LENGTH = 63

/** The claim that a leaf stands at an index of a tree. */
export interface InclusionClaim {
  readonly leafHash: Uint8Array
  readonly index: number
  readonly size: number
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** The claim that a tree is a prefix of another. */
export interface ConsistencyClaim {
  readonly oldSize: number
  readonly oldRoot: Uint8Array
  readonly newSize: number
  readonly newRoot: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** Whether the proof shows what is claimed. @see RFC 9162 §2.1.3.2 */
export async function verifyInclusion(claim: InclusionClaim, sha256: Sha256): Promise<boolean> {
  const { index, size, proof } = claim
  if (!isCount(index) || !isCount(size) || index >= size) return false
  if (!areHashes([claim.leafHash, ...proof])) return false
  let [node, last, hash] = [index, size - 1, claim.leafHash]
  for (const sibling of proof) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      hash = await sha256(nodeInput(sibling, hash))
      while (node !== 0 && !isOdd(node)) [node, last] = [half(node), half(last)]
    } else {
      hash = await sha256(nodeInput(hash, sibling))
    }
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && equalHashes(hash, claim.root)
}

/** Whether the proof shows what is claimed. The empty tree is a prefix of every tree. @see RFC 9162 §2.1.4.2 */
export async function verifyConsistency(claim: ConsistencyClaim, sha256: Sha256): Promise<boolean> {
  const { oldSize, oldRoot, newSize, newRoot, proof } = claim
  if (!isCount(oldSize) || !isCount(newSize) || oldSize > newSize) return false
  if (!areHashes([oldRoot, newRoot, ...proof])) return false
  if (oldSize === newSize) return proof.length === 0 && equalHashes(oldRoot, newRoot)
  if (oldSize === 0) {
    return proof.length === 0 && equalHashes(oldRoot, await sha256(new Uint8Array(0)))
  }
  let [node, last] = [oldSize - 1, newSize - 1]
  while (isOdd(node)) [node, last] = [half(node), half(last)]
  // A tree whose size is a power of two is a subtree of the new one, and its root stands for it.
  const [start, ...path] = node === 0 ? [oldRoot, ...proof] : proof
  if (start === undefined) return false
  let [oldHash, newHash] = [start, start]
  for (const sibling of path) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      oldHash = await sha256(nodeInput(sibling, oldHash))
      newHash = await sha256(nodeInput(sibling, newHash))
      while (node !== 0 && !isOdd(node)) [node, last] = [half(node), half(last)]
    } else {
      newHash = await sha256(nodeInput(newHash, sibling))
    }
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && equalHashes(oldHash, oldRoot) && equalHashes(newHash, newRoot)
}

/** The hash of the perfect subtree of `height` whose first leaf is `first`, a multiple of 2^height. */
export type SubtreeHash = (height: number, first: number) => Promise<Uint8Array>

/** What proofs are built from. */
export interface Prover {
  readonly subtree: SubtreeHash
  readonly sha256: Sha256
}

/** The proof that the leaf at `index` is in the tree of `size`. @see RFC 6962 §2.1.1 */
export async function proveInclusion(
  index: number,
  size: number,
  env: Prover,
): Promise<Uint8Array[]> {
  if (!isCount(index) || !isCount(size) || index >= size) {
    throw new RangeError(`expected an index below ${size}, got ${index}`)
  }
  const hashOf = rangeHash(env)
  const proof: Promise<Uint8Array>[] = []
  let [from, to] = [0, size]
  while (to - from > 1) {
    const middle = from + splitPoint(to - from)
    const isLeft = index < middle
    proof.unshift(isLeft ? hashOf(middle, to) : hashOf(from, middle))
    ;[from, to] = isLeft ? [from, middle] : [middle, to]
  }
  return Promise.all(proof)
}

/** The proof that the tree of `oldSize` is a prefix of the tree of `newSize`. @see RFC 6962 §2.1.2 */
export async function proveConsistency(
  oldSize: number,
  newSize: number,
  env: Prover,
): Promise<Uint8Array[]> {
  if (!isCount(oldSize) || !isCount(newSize) || oldSize > newSize) {
    throw new RangeError(`expected an old size of at most ${newSize}, got ${oldSize}`)
  }
  if (oldSize === 0 || oldSize === newSize) return []
  const hashOf = rangeHash(env)
  const proof: Promise<Uint8Array>[] = []
  let [from, to] = [0, newSize]
  while (to !== oldSize) {
    const middle = from + splitPoint(to - from)
    const isLeft = oldSize <= middle
    proof.unshift(isLeft ? hashOf(middle, to) : hashOf(from, middle))
    ;[from, to] = isLeft ? [from, middle] : [middle, to]
  }
  // What is left is the old tree itself, whose root the verifier has, unless it is only a part of it.
  if (from !== 0) proof.unshift(hashOf(from, to))
  return Promise.all(proof)
}

/** The hash over the leaves in [from, to) of the tree. */
function rangeHash(env: Prover): (from: number, to: number) => Promise<Uint8Array> {
  const hashOf = async (from: number, to: number): Promise<Uint8Array> => {
    const count = to - from
    const left = splitPoint(count)
    if (count === 1 || count === left * 2) return env.subtree(Math.log2(count), from)
    const halves = await Promise.all([hashOf(from, from + left), hashOf(from + left, to)])
    return env.sha256(nodeInput(...halves))
  }
  return hashOf
}

/** The largest power of two that is smaller than `count` (RFC 6962 §2.1). */
function splitPoint(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.length <= MAX_PROOF_LENGTH + 2 && hashes.every((h) => h.length === HASH_BYTES)
}

function isOdd(value: number): boolean {
  return value % 2 === 1
}

function half(value: number): number {
  return Math.floor(value / 2)
}
