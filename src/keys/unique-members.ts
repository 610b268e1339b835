/**
 * JSON that reads the same everywhere: member names are unique (RFC 7515 §4, RFC 7519 §4).
 *
 * `JSON.parse` keeps the last of two equal names, others keep the first. Between such readers a signed
 * token means two things. Call `parseUniqueMembers`.
 */

import type { Json } from '../base/canonical-json.ts'

const MAX_DEPTH = 32

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The JSON value in `bytes`; `undefined` if it is malformed, too deep or names a member twice. */
export function parseUniqueMembers(bytes: Uint8Array): Json | undefined {
  let text: string
  let value: Json
  try {
    text = utf8.decode(bytes)
    value = JSON.parse(text) as Json
  } catch {
    return undefined
  }
  // A member has one colon outside of strings. If two members became one, a colon is left over.
  return membersIn(value) === colonsOutsideStrings(text) ? value : undefined
}

/** The number of members in `value` at all depths; -1 if it is too deep or its text is not Unicode. */
function membersIn(root: Json): number {
  let members = 0
  const open: [value: Json, depth: number][] = [[root, 0]]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [value, depth] = next
    if (typeof value === 'string' && !value.isWellFormed()) return -1
    if (typeof value !== 'object' || value === null) continue
    if (depth === MAX_DEPTH) return -1
    for (const [name, member] of Object.entries(value)) {
      if (!name.isWellFormed()) return -1
      open.push([member as Json, depth + 1])
    }
    if (!Array.isArray(value)) members += Object.keys(value).length
  }
  return members
}

/** Counts `:` outside of string literals in text that `JSON.parse` accepted. */
function colonsOutsideStrings(text: string): number {
  let colons = 0
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (character === ':') colons++
    if (character !== '"') continue
    for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
  }
  return colons
}
