/**
 * What a program hands out, as a tar that is safe to unpack: `checkedTar` reads the stream that came out of a
 * sandbox and writes another one.
 *
 * Nothing of a header is passed on but a plain relative path, a size, a time and whether it may be executed.
 * Links, devices and whatever else is no file and no folder are left out and counted; a stream that is no
 * ustar, climbs out, lies about a size or is larger than it may be ends in an error, and is worth nothing.
 *
 * @see POSIX.1-2017, pax, "ustar Interchange Format"
 */

import { Transform, type TransformCallback } from 'node:stream'

/** What came out. */
export interface Handed {
  readonly files: number
  readonly bytes: number
  /** Links, devices and the like. */
  readonly leftOut: number
}

const BLOCK = 512
const MAX_ENTRIES = 100_000
// Where the fields of a header lie, and how long they are.
const [NAME, MODE, SIZE, MTIME, SUM, TYPE, MAGIC, PREFIX] = [
  [0, 100],
  [100, 8],
  [124, 12],
  [136, 12],
  [148, 8],
  [156, 1],
  [257, 6],
  [345, 155],
] as const
type Field = readonly [at: number, length: number]

/** A header that may be passed on. */
interface Entry {
  readonly path: string
  readonly size: number
  readonly seconds: number
  readonly isFolder: boolean
  readonly isExecutable: boolean
  /** Neither file nor folder. */
  readonly isOther: boolean
}

/** Reads a tar of at most `maxBytes`, writes what of it is files and folders. */
export class CheckedTar extends Transform {
  readonly #maxBytes: number
  #held = Buffer.alloc(0)
  #seenBytes = 0
  #entries = 0
  /** Of the entry that is being read: content still to come, then padding. */
  #content = 0
  #padding = 0
  #ended = false
  #handed = { files: 0, bytes: 0, leftOut: 0 }

  constructor(maxBytes: number) {
    super()
    this.#maxBytes = maxBytes
  }

  get handed(): Handed {
    return this.#handed
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#seenBytes += chunk.length
    if (this.#seenBytes > this.#maxBytes) return done(new Error('it is too large'))
    // What pads the end says nothing.
    if (this.#ended) return done()
    this.#held = Buffer.concat([this.#held, chunk])
    try {
      while (this.#step());
      done()
    } catch (cause) {
      done(cause as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    if (!this.#ended) return done(new Error('it ends too early'))
    this.push(Buffer.alloc(2 * BLOCK))
    done()
  }

  /** Takes the next part, if there is one. */
  #step(): boolean {
    if (this.#content > 0) return this.#pass()
    if (this.#padding > 0) {
      this.#padding -= this.#take(this.#padding).length
      return this.#padding === 0
    }
    if (this.#ended || this.#held.length < BLOCK) return false
    const block = this.#take(BLOCK)
    if (block.every((byte) => byte === 0)) {
      this.#ended = true
      return false
    }
    if (++this.#entries > MAX_ENTRIES) throw new Error('it has too many entries')
    this.#begin(entryOf(block))
    return true
  }

  #begin(entry: Entry): void {
    const { path, size, isOther, isFolder } = entry
    // The folder itself is named by nobody.
    if (isOther || path === '') {
      if (size > 0) throw new Error(`\`${path}\` is no file and has content`)
      if (isOther) this.#handed.leftOut++
      return
    }
    this.push(headerOf(entry))
    this.#content = size
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK
    if (!isFolder) this.#handed.files++
  }

  #pass(): boolean {
    if (this.#held.length === 0) return false
    const part = this.#take(this.#content)
    this.#content -= part.length
    this.#handed.bytes += part.length
    this.push(part)
    if (this.#content > 0) return false
    this.push(Buffer.alloc(this.#padding))
    return true
  }

  #take(most: number): Buffer {
    const part = this.#held.subarray(0, most)
    this.#held = this.#held.subarray(part.length)
    return part
  }
}

function entryOf(block: Buffer): Entry {
  if (!text(block, MAGIC).startsWith('ustar')) throw new Error('it is no ustar')
  if (octal(block, SUM) !== sumOf(block)) throw new Error('a header has the wrong sum')
  const type = text(block, TYPE)
  const isFolder = type === '5'
  const isFile = type === '0' || type === ''
  const size = octal(block, SIZE)
  if (isFolder && size > 0) throw new Error('a folder has content')
  return {
    path: plain([text(block, PREFIX), text(block, NAME)].filter(Boolean).join('/')),
    size,
    seconds: octal(block, MTIME),
    isFolder,
    isExecutable: (octal(block, MODE) & 0o100) !== 0,
    isOther: !isFile && !isFolder,
  }
}

/** The path without `./`; throws for one that could lead elsewhere or is read in two ways. */
function plain(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  // oxlint-disable-next-line no-control-regex -- it is control characters that are refused
  if (path.startsWith('/') || parts.includes('..') || /[\x00-\x1f\x7f\\]/.test(path)) {
    throw new Error(`\`${JSON.stringify(path).slice(1, 100)}\` is no plain relative path`)
  }
  return parts.join('/')
}

/** A header of our own: of nobody, and with no bits but those of reading, writing and executing. */
function headerOf({ path, size, seconds, isFolder, isExecutable }: Entry): Buffer {
  const block = Buffer.alloc(BLOCK)
  const named = isFolder ? `${path}/` : path
  const [prefix, name] = split(named)
  const put = (value: string, [at]: Field): void => void block.write(value, at, 'latin1')
  const number = (value: number, field: Field): void =>
    put(value.toString(8).padStart(field[1] - 1, '0'), field)
  put(name, NAME)
  put(prefix, PREFIX)
  number(isFolder || isExecutable ? 0o755 : 0o644, MODE)
  number(0, [108, 8])
  number(0, [116, 8])
  number(size, SIZE)
  number(seconds, MTIME)
  put(isFolder ? '5' : '0', TYPE)
  put('ustar\x0000', MAGIC)
  number(sumOf(block), [SUM[0], 7])
  block.write(' ', SUM[0] + 7, 'latin1')
  return block
}

/** A path as prefix and name, where it does not fit into the name. */
function split(path: string): [prefix: string, name: string] {
  if (path.length <= NAME[1]) return ['', path]
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    const rest = path.length - at - 1
    if (at <= PREFIX[1] && rest <= NAME[1] && rest > 0)
      return [path.slice(0, at), path.slice(at + 1)]
  }
  throw new Error('a path is too long')
}

/** A field up to its first NUL; bytes, not characters. */
function text(block: Buffer, [at, length]: Field): string {
  const field = block.toString('latin1', at, at + length)
  const end = field.indexOf('\0')
  return end === -1 ? field : field.slice(0, end)
}

/** Strictly: base-256 and signs, which readers differ about, are refused. */
function octal(block: Buffer, field: Field): number {
  const digits = /^ *([0-7]+) *$/.exec(text(block, field))?.[1]
  if (digits === undefined) throw new Error('a number is not octal')
  return Number.parseInt(digits, 8)
}

/** The sum of all bytes of a header, its own field as blanks. */
function sumOf(block: Buffer): number {
  let sum = 0
  for (const [at, byte] of block.entries()) {
    sum += at >= SUM[0] && at < SUM[0] + SUM[1] ? 0x20 : byte
  }
  return sum
}
