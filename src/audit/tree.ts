/**
 * The Merkle tree of RFC 6962 §2.1, over leaf hashes.
 *
 * `Frontier` takes leaf hashes in order and gives the root at any moment in O(log n) memory. Everything
 * here is pure and takes its hash function, which may be synchronous (a server) or not (WebCrypto).
 */

/** SHA-256 as 32 bytes. */
export type Sha256 = (data: Uint8Array) => Uint8Array | Promise<Uint8Array>

/** SHA-256 by WebCrypto, which is everywhere. */
export const webSha256: Sha256 = async (data) =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>))

/** The length of a hash in bytes. */
export const HASH_BYTES = 32

/** What a leaf hash is the SHA-256 of: 0x00 and the entry (RFC 6962 §2.1). */
export function leafInput(entry: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + entry.length)
  input.set(entry, 1)
  return input
}

/** What a node's hash is the SHA-256 of: 0x01, left and right (RFC 6962 §2.1). */
export function nodeInput(left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + 2 * HASH_BYTES)
  input[0] = 1
  input.set(left, 1)
  input.set(right, 1 + HASH_BYTES)
  return input
}

/** The right edge of a tree that grows: one perfect subtree per bit of its size. */
export class Frontier {
  readonly #sha256: Sha256
  /** Largest subtree first. */
  readonly #peaks: Uint8Array[] = []
  #size = 0

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
  }

  /** How many leaves were pushed. */
  get size(): number {
    return this.#size
  }

  /** Adds the next leaf. */
  async push(leafHash: Uint8Array): Promise<void> {
    let hash = leafHash
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      hash = await this.#sha256(nodeInput(this.#peaks.pop() as Uint8Array, hash))
    }
    this.#peaks.push(hash)
    this.#size++
  }

  /** The root of the tree so far; of an empty tree, the hash of nothing (RFC 6962 §2.1). */
  root(): Promise<Uint8Array> {
    return foldPeaks(this.#peaks, this.#sha256)
  }
}

/** The root over perfect subtrees of falling size, as the right edge of a tree has them. */
export async function foldPeaks(peaks: readonly Uint8Array[], sha256: Sha256): Promise<Uint8Array> {
  let root = peaks.at(-1)
  if (root === undefined) return sha256(new Uint8Array(0))
  for (let i = peaks.length - 2; i >= 0; i--) {
    root = await sha256(nodeInput(peaks[i] as Uint8Array, root))
  }
  return root
}

/** The root of the tree with these leaf hashes. */
export async function rootOf(
  leafHashes: Iterable<Uint8Array>,
  sha256: Sha256,
): Promise<Uint8Array> {
  const frontier = new Frontier(sha256)
  for (const hash of leafHashes) await frontier.push(hash)
  return frontier.root()
}

/** Whether two hashes are the same. They are public: time may depend on them. */
export function equalHashes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
