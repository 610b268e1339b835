/** Ends an answer that repeats a secret which we added to the question. */

import { Transform, type TransformCallback } from 'node:stream'

const SHORTEST = 8

/** Passes bytes on, a little late, until one of `secrets` is among them. */
export class EchoFilter extends Transform {
  readonly #needles: readonly Buffer[]
  readonly #overlap: number
  #held = Buffer.alloc(0)

  constructor(secrets: readonly string[]) {
    super()
    // With and without the scheme before it (`Bearer …`), and in every form that an answer would hold it in.
    const forms = secrets
      .flatMap(partsOf)
      .filter((secret) => secret.length >= SHORTEST)
      .flatMap((secret) => [
        secret,
        encodeURIComponent(secret),
        JSON.stringify(secret).slice(1, -1),
        Buffer.from(secret).toString('base64').replace(/=+$/, ''),
        Buffer.from(secret).toString('base64url'),
      ])
    this.#needles = [...new Set(forms)].map((form) => Buffer.from(form))
    this.#overlap = Math.max(0, ...this.#needles.map((needle) => needle.length - 1))
  }

  /** Whether there is anything to look for. */
  get needed(): boolean {
    return this.#needles.length > 0
  }

  found(text: Buffer | string): boolean {
    const bytes = Buffer.from(text as string)
    return this.#needles.some((needle) => bytes.includes(needle))
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    const seen = Buffer.concat([this.#held, chunk])
    if (this.found(seen))
      return done(new Error('the answer repeats what was added to the question'))
    const passed = Math.max(0, seen.length - this.#overlap)
    this.#held = seen.subarray(passed)
    done(null, seen.subarray(0, passed))
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#held)
  }
}

/** A header's value, its credential, and of `Basic` what that is made of. */
function partsOf(value: string): string[] {
  const credential = value.split(' ').at(-1) ?? ''
  if (!/^basic /i.test(value)) return [value, credential]
  const pair = Buffer.from(credential, 'base64').toString()
  return [value, credential, pair, pair.slice(pair.indexOf(':') + 1)]
}
