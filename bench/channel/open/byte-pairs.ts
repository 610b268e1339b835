/**
 * A small byte-pair tokenizer: `BytePairs.encode` and `decode`, and `learnPairs`, which learns one from text.
 *
 * Ids: the special tokens first, then the 256 bytes, then one id a merge in the order of learning. Text is
 * encoded from its bytes alone, so that no text makes a special token and any text comes back as it was.
 * Merges stay within a piece: letters with the blank before them, a digit, or a run of one other character.
 */

/** What only the control plane writes. Their order is their ids. */
export const SPECIAL = ['<pad>', '<msg>', '<end>', '<quote>', '<data>', '<close>', '<ans>'] as const
export type Special = (typeof SPECIAL)[number]

/** What `model/` reads too: a tokenizer is its special tokens and its merges. */
export interface Pairs {
  readonly special: readonly string[]
  readonly merges: readonly (readonly [left: number, right: number])[]
}

const FIRST_BYTE = SPECIAL.length
const FIRST_MERGE = FIRST_BYTE + 256
const PIECES = /[ ]?[A-Za-z]+|[0-9]|[ ]?[^A-Za-z0-9\s]|\s/gu

/** The id of a special token. */
export function special(token: Special): number {
  return SPECIAL.indexOf(token)
}

export class BytePairs {
  /** Ids in use. */
  readonly size: number
  /** What each id is: a special token, a byte, or the two ids that were merged. Equal in equal tokenizers alone. */
  readonly names: readonly string[]
  readonly #ranks: ReadonlyMap<number, number>
  readonly #bytes: readonly Buffer[]
  readonly #known = new Map<string, readonly number[]>()

  constructor({ merges }: Pairs) {
    this.size = FIRST_MERGE + merges.length
    this.names = [
      ...SPECIAL,
      ...Array.from({ length: 256 }, (_, byte) => `byte-${byte}`),
      ...merges.map(([left, right]) => `${left}+${right}`),
    ]
    this.#ranks = new Map(merges.map(([left, right], rank) => [pairOf(left, right), rank]))
    const bytes = Array.from({ length: FIRST_MERGE }, (_, id) =>
      id < FIRST_BYTE ? Buffer.alloc(0) : Buffer.from([id - FIRST_BYTE]),
    )
    for (const [left, right] of merges) {
      bytes.push(Buffer.concat([bytes[left] as Buffer, bytes[right] as Buffer]))
    }
    this.#bytes = bytes
  }

  /** The ids of a text; none is a special token's. A lone surrogate becomes U+FFFD, as in all UTF-8. */
  encode(text: string): number[] {
    return piecesOf(text).flatMap((piece) => this.#encodePiece(piece))
  }

  /** The text of ids. Special tokens have none. */
  decode(ids: readonly number[]): string {
    return Buffer.concat(ids.map((id) => this.#bytes[id] as Buffer)).toString('utf8')
  }

  #encodePiece(piece: string): readonly number[] {
    const known = this.#known.get(piece)
    if (known !== undefined) return known
    const ids = bytesOf(piece)
    for (;;) {
      let best = Infinity
      for (let at = 0; at + 1 < ids.length; at++) {
        const rank = this.#ranks.get(pairOf(ids[at] as number, ids[at + 1] as number))
        if (rank !== undefined && rank < best) best = rank
      }
      if (best === Infinity) break
      replacePair(ids, best + FIRST_MERGE, (left, right) => {
        return this.#ranks.get(pairOf(left, right)) === best
      })
    }
    // Text from outside must not fill the memory: only short pieces are kept, and only so many.
    if (piece.length <= 16 && this.#known.size < 50_000) this.#known.set(piece, ids)
    return ids
  }
}

/** Learns merges until there are `size` ids: each time the most frequent pair, of equals the one with lower ids. */
export function learnPairs(texts: Iterable<string>, size: number): Pairs {
  const counts = new Map<string, number>()
  for (const text of texts) {
    for (const piece of piecesOf(text)) counts.set(piece, (counts.get(piece) ?? 0) + 1)
  }
  const words = [...counts].map(([piece, count]) => ({ ids: bytesOf(piece), count }))
  const merges: [number, number][] = []
  while (FIRST_MERGE + merges.length < size) {
    const best = mostFrequentPair(words)
    if (best === undefined) break
    const id = FIRST_MERGE + merges.length
    for (const { ids } of words) {
      replacePair(ids, id, (left, right) => left === best[0] && right === best[1])
    }
    merges.push(best)
  }
  return { special: SPECIAL, merges }
}

function mostFrequentPair(
  words: readonly { readonly ids: readonly number[]; readonly count: number }[],
): [number, number] | undefined {
  const counts = new Map<number, number>()
  for (const { ids, count } of words) {
    for (let at = 0; at + 1 < ids.length; at++) {
      const pair = pairOf(ids[at] as number, ids[at + 1] as number)
      counts.set(pair, (counts.get(pair) ?? 0) + count)
    }
  }
  let best: number | undefined
  for (const [pair, count] of counts) {
    const most = best === undefined ? 1 : (counts.get(best) as number)
    // A pair that occurs once teaches nothing.
    if (count > most || (count === most && best !== undefined && pair < best)) best = pair
  }
  return best === undefined ? undefined : [Math.floor(best / 65_536), best % 65_536]
}

function replacePair(
  ids: number[],
  by: number,
  isPair: (left: number, right: number) => boolean,
): void {
  for (let at = 0; at + 1 < ids.length; at++) {
    if (isPair(ids[at] as number, ids[at + 1] as number)) ids.splice(at, 2, by)
  }
}

function piecesOf(text: string): readonly string[] {
  return text.toWellFormed().match(PIECES) ?? []
}

function bytesOf(piece: string): number[] {
  return Array.from(Buffer.from(piece), (byte) => byte + FIRST_BYTE)
}

function pairOf(left: number, right: number): number {
  return left * 65_536 + right
}
