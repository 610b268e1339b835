/**
 * What an approver is shown: text in which nothing hides and nothing moves.
 *
 * Call `printable`. Characters that a terminal obeys, that change the direction of writing, that cannot
 * be seen or that look like a space are written as escapes (`\n`, `\u{202e}`), and the backslash itself
 * as `\\`: so different values are shown differently, whatever an agent put into them. Nothing is cut.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'

/**
 * Control, format (bidirectional ones among them), surrogate, private and unassigned characters, line and
 * paragraph separators, spaces other than U+0020, what is ignored by default, the blank Braille pattern.
 */
const HIDDEN =
  /[\\\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu

const SHORT: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** `value` with every text in it escaped, names of members too. */
export function printable(value: JsonObject): JsonObject {
  return members(value)
}

/** `text` escaped; equal only for equal texts. */
export function printableText(text: string): string {
  return text.replace(HIDDEN, (found) => {
    const code = found.codePointAt(0) ?? 0
    return SHORT[found] ?? `\\u{${code.toString(16)}}`
  })
}

function escaped(value: Json): Json {
  if (typeof value === 'string') return printableText(value)
  if (typeof value !== 'object' || value === null) return value
  return isList(value) ? value.map(escaped) : members(value)
}

function members(value: JsonObject): JsonObject {
  const out: Record<string, Json> = {}
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) out[memberName(name)] = escaped(member)
  }
  return out
}

/** Parsers on the way to the approver leave a member `__proto__` out: it is shown under an escaped name. */
function memberName(name: string): string {
  return name === '__proto__' ? '\\u{5f}_proto__' : printableText(name)
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
