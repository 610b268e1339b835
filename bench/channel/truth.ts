/**
 * What is true in a conversation: which directives count, and whose private settings are whose.
 *
 * The highest authority counts, among equals the latest; data never does. No text reaches this file: `decide`
 * takes the author and the authority that transport gives, so that no words change them.
 */

import { ADMISSION, AUTHORITY } from './vocabulary.ts'

/** `set` is for everyone; `my` is a private setting of the author. */
export interface Effect<Key extends string | number = number, Value = number> {
  readonly op: 'set' | 'my'
  readonly key: Key
  readonly value: Value
}

/** A directive for everyone that counts or was refused. */
export interface Directive<
  Author,
  Key extends string | number = number,
  Value = number,
> extends Effect<Key, Value> {
  readonly authority: number
  readonly author: Author
}

export class Truth<
  Author extends { readonly slot: number },
  Key extends string | number = number,
  Value = number,
> {
  readonly #directives: Directive<Author, Key, Value>[] = []
  readonly #private = new Map<string, { of: Author; effect: Effect<Key, Value> }>()

  /** Takes a message in and says what becomes of it, as an ordinal of `ADMISSION`. */
  decide(author: Author, authority: number, effect: Effect<Key, Value> | undefined): number {
    if (effect === undefined) return ADMISSION.notADirective
    if (authority === AUTHORITY.data) return ADMISSION.refused
    if (effect.op === 'my') {
      this.#private.set(`${author.slot} ${effect.key}`, { of: author, effect })
      return ADMISSION.takesEffect
    }
    const before = this.standing(effect.key)
    this.#directives.push({ ...effect, author, authority })
    return before === undefined || authority >= before.authority
      ? ADMISSION.takesEffect
      : ADMISSION.refused
  }

  /** What counts for everyone under a key. */
  standing(key: Key): Directive<Author, Key, Value> | undefined {
    let best: Directive<Author, Key, Value> | undefined
    for (const one of this.#directives) {
      if (one.key !== key || one.authority === AUTHORITY.data) continue
      if (best === undefined || one.authority >= best.authority) best = one
    }
    return best
  }

  privateValue(of: Author, key: Key): Value | undefined {
    return this.#private.get(`${of.slot} ${key}`)?.effect.value
  }

  /** Who has a private setting under which key. */
  privateSettings(): { readonly of: Author; readonly key: Key }[] {
    return [...this.#private.values()].map(({ of, effect }) => ({ of, key: effect.key }))
  }

  /** Whether somebody of this authority could direct what stands under a key. */
  mayDirect(authority: number, key: Key): boolean {
    return authority > AUTHORITY.data && authority >= (this.standing(key)?.authority ?? 0)
  }
}
