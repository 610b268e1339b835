/**
 * How deep a policy may nest: a bound checked before Cedar's parser sees the text.
 *
 * The parser is WebAssembly with one megabyte of stack. A policy that exhausts it traps, and a trapped
 * instance answers nothing any more: one text would take the oracle away from the whole process. Both
 * bounds are half or less of what was seen to trap (nesting 128, 500 operators).
 */

const MAX_DEPTH = 32
const MAX_OPERATORS = 200

/** One token: a string or comment to skip, a bracket, an operator, the end of a policy. */
const TOKEN =
  /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|(?<open>[([{])|(?<close>[)\]}])|(?<end>;)|&&|\|\||[=!<>]=|[-+*!<>.]|\b(?:if|in|has|like|is)\b/gs

/** What is wrong with the nesting of some policy in `text`; `undefined` if nothing is. */
export function nestingProblem(text: string): string | undefined {
  let depth = 0
  let operators = 0
  for (const { 0: token, groups = {}, index } of text.matchAll(TOKEN)) {
    if (token.startsWith('"') || token.startsWith('//')) continue
    if (groups['end'] !== undefined) {
      depth = 0
      operators = 0
      continue
    }
    if (groups['open'] !== undefined) depth++
    if (groups['close'] !== undefined) depth--
    operators++
    if (depth > MAX_DEPTH || operators > MAX_OPERATORS) {
      const line = text.slice(0, index).split('\n').length
      return `line ${line}: expected policies of less nesting, or fewer operators: split the policy`
    }
  }
  return undefined
}
