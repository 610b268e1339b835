/** Seeded chance for the benchmark: the same seed gives the same episodes on every machine. Not for secrets. */

import { createHash } from 'node:crypto'

/** A small fast generator (sfc32) with the draws that episodes need. */
export class Chance {
  #a: number
  #b: number
  #c: number
  #counter: number

  constructor(seed: string) {
    const digest = createHash('sha256').update(seed).digest()
    this.#a = digest.readInt32LE(0)
    this.#b = digest.readInt32LE(4)
    this.#c = digest.readInt32LE(8)
    this.#counter = digest.readInt32LE(12)
  }

  /** 32 bits, unsigned. */
  word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor((this.word() / 2 ** 32) * below)
  }

  /** A whole number in [least, most], both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1)
  }

  happens(probability: number): boolean {
    return this.word() / 2 ** 32 < probability
  }

  pick<T>(from: readonly T[]): T {
    const chosen = from[this.below(from.length)]
    if (chosen === undefined) throw new Error('nothing to pick from')
    return chosen
  }

  /** `count` different members, in a chanced order. */
  sample<T>(from: readonly T[], count: number): T[] {
    if (count > from.length) throw new Error(`a sample of ${count} out of ${from.length}`)
    const rest = [...from]
    for (let at = 0; at < count; at++) {
      const other = this.between(at, rest.length - 1)
      const held = rest[at] as T
      rest[at] = rest[other] as T
      rest[other] = held
    }
    return rest.slice(0, count)
  }

  /** One of the names, each as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Partial<Record<Name, number>>>): Name {
    const entries = Object.entries(weights) as [Name, number][]
    let left = (this.word() / 2 ** 32) * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      left -= weight
      if (left < 0) return name
    }
    return (entries.at(-1) as [Name, number])[0]
  }
}
