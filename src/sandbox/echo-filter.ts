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
    // With and without the scheme before it (`Bearer …`), plain and as a URL or base64 would hold it.
    const bare = secrets.flatMap((secret) => [secret, secret.split(' ').at(-1) ?? ''])
    const forms = bare
      .filter((secret) => secret.length >= SHORTEST)
      .flatMap((secret) => [
        secret,
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64'),
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
