/**
 * URI templates (RFC 6570) read backwards: which URIs could a template have made?
 *
 * `isTemplate` says whether a template can be enforced, `matchesTemplate` whether a URI fills it. A
 * variable stands for text that stays in its place: it never crosses `/`, `?` or `#`, and only
 * reserved expansion (`{+path}`) crosses `/`. A URI that is not canonical fills nothing.
 */

import { isCanonical } from './canonical.ts'

const EXPRESSION = /\{([^{}]*)\}/g
const VARIABLE = /^([+#/]?)[A-Za-z0-9_.%]{1,100}(\*?)$/

/** Whether every expression names one variable with an operator that is read here: none, `+`, `#`, `/`. */
export function isTemplate(template: string): boolean {
  if (template.length > 2_048 || /[{}]/.test(template.replace(EXPRESSION, ''))) return false
  const expressions = [...template.matchAll(EXPRESSION)]
  return (
    expressions.length <= 16 &&
    expressions.every(([, inner = '']) => VARIABLE.test(inner)) &&
    // Two variables side by side could be filled in many ways.
    !template.includes('}{')
  )
}

/** Whether `uri` is canonical and fills `template`. */
export function matchesTemplate(template: string, uri: string): boolean {
  if (!isTemplate(template) || !isCanonical('url', uri)) return false
  let at = 0
  const parts: Part[] = []
  for (const match of template.matchAll(EXPRESSION)) {
    parts.push({ literal: template.slice(at, match.index) })
    const [, operator = ''] = VARIABLE.exec(match[1] ?? '') ?? []
    if (operator === '/' || operator === '#') parts.push({ literal: operator })
    parts.push({ variable: operator === '+' ? /^[^?#]+$/ : /^[^/?#]+$/ })
    at = match.index + match[0].length
  }
  parts.push({ literal: template.slice(at) })
  return fills(uri, parts)
}

type Part = { readonly literal: string } | { readonly variable: RegExp }

/** Sets of positions instead of backtracking: the cost is parts × length², whatever the template. */
function fills(uri: string, parts: readonly Part[]): boolean {
  let reached = new Set([0])
  for (const part of parts) {
    const next = new Set<number>()
    for (const from of reached) {
      if ('literal' in part) {
        if (uri.startsWith(part.literal, from)) next.add(from + part.literal.length)
        continue
      }
      for (let to = from + 1; to <= uri.length && part.variable.test(uri[to - 1] ?? ''); to++) {
        next.add(to)
      }
    }
    reached = next
  }
  return reached.has(uri.length)
}
