/**
 * Patterns: literal text in which `*` stands for one or more harmless characters.
 *
 * `*` matches letters, digits and `.` `_` `-` `+` `~` `=` only, so a match never crosses a `/`, adds an
 * `@`, a space, a quote or a separator; and a value with a dot segment matches nothing. Matching takes
 * time in proportion to both lengths, whatever the pattern.
 */

const STAR = '*'
const HARMLESS = /^[\p{L}\p{M}\p{Nd}._+~=-]$/u
const MAX_STARS = 16
const MAX_VALUE = 4_096

/** Whether `pattern` can be used: well-formed text with at most 16 `*`. */
export function isPattern(pattern: string): boolean {
  return pattern !== '' && Array.from(pattern).filter((c) => c === STAR).length <= MAX_STARS
}

/** Whether `value` matches. */
export function matches(pattern: string, value: string): boolean {
  if (value.length > MAX_VALUE || value.split('/').some((s) => s === '.' || s === '..'))
    return false
  return accepts(Array.from(pattern), Array.from(value), (c) => HARMLESS.test(c))
}

/**
 * Whether everything that matches `inner` matches `outer`: exact where it says yes. It reads `inner`
 * as a text in which a star is a run of characters that only a star of `outer` can take.
 */
export function containsPattern(outer: string, inner: string): boolean {
  return accepts(Array.from(outer), Array.from(inner), (c) => c === STAR || HARMLESS.test(c))
}

/** Runs the pattern as an automaton over the text, with the set of all positions it can be in. */
function accepts(
  pattern: readonly string[],
  text: readonly string[],
  fits: (character: string) => boolean,
): boolean {
  // Position 2i: before token i. Position 2i + 1: inside the star at i, which has taken something.
  let positions = new Set([0])
  for (const character of text) {
    const next = new Set<number>()
    for (const position of closed(positions)) {
      const i = position >> 1
      if (pattern[i] === STAR) {
        if (fits(character)) next.add(2 * i + 1)
      } else if (pattern[i] === character) next.add(2 * i + 2)
    }
    if (next.size === 0) return false
    positions = next
  }
  return closed(positions).has(2 * pattern.length)
}

/** Adds what is reached without reading: out of a star that has taken something. */
function closed(positions: ReadonlySet<number>): Set<number> {
  const all = new Set(positions)
  for (const position of positions) if (position % 2 === 1) all.add(position + 1)
  return all
}
