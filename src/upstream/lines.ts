/** Lines of bounded length out of a stream of pieces. */

/** One line, or what is known of one that was too long. */
export type Line = {
  /** The id of the request that the line seems to answer, for a line that cannot be parsed. */
  readonly guess: () => number | undefined
} & ({ readonly kind: 'line'; readonly bytes: Buffer } | { readonly kind: 'too_long' })

const NEWLINE = 0x0a
/** Enough of either end of a line to find its `id`, wherever the server wrote it. */
const EDGE = 256

/** Splits at line feeds and gives each line to `take`. Keeps at most `maxBytes` and its edges. */
export class LineReader {
  readonly #maxBytes: number
  readonly #take: (line: Line) => void
  #pieces: Buffer[] = []
  #size = 0
  #head = Buffer.alloc(0)
  #tail = Buffer.alloc(0)

  constructor(maxBytes: number, take: (line: Line) => void) {
    this.#maxBytes = maxBytes
    this.#take = take
  }

  push(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end))
      this.#finish()
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
  }

  #keep(piece: Buffer): void {
    this.#size += piece.length
    if (this.#size <= this.#maxBytes) {
      if (piece.length > 0) this.#pieces.push(piece)
      return
    }
    const seen = [...this.#pieces, piece]
    if (this.#head.length === 0) this.#head = Buffer.concat(seen).subarray(0, EDGE)
    this.#tail = Buffer.concat([this.#tail, ...seen]).subarray(-EDGE)
    this.#pieces = []
  }

  #finish(): void {
    if (this.#size > this.#maxBytes) {
      const edges = [this.#head.toString('latin1'), this.#tail.toString('latin1')] as const
      this.#take({ kind: 'too_long', guess: () => idIn(...edges) })
    } else if (this.#size > 0) {
      const bytes =
        this.#pieces.length === 1
          ? (this.#pieces[0] ?? Buffer.alloc(0))
          : Buffer.concat(this.#pieces)
      this.#take({
        kind: 'line',
        bytes,
        guess: () =>
          idIn(bytes.toString('latin1', 0, EDGE), bytes.subarray(-EDGE).toString('latin1')),
      })
    }
    this.#pieces = []
    this.#size = 0
    this.#head = Buffer.alloc(0)
    this.#tail = Buffer.alloc(0)
  }
}

/** The top-level `id` where serialisers put it: before everything else or after it. */
function idIn(head: string, tail: string): number | undefined {
  const found =
    /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*[,}]/.exec(head) ??
    /,\s*"id"\s*:\s*(\d{1,15})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/.exec(tail)
  return found?.[1] === undefined ? undefined : Number(found[1])
}
