/**
 * Canonical JSON (RFC 8785): one byte string for one value, so that equal values have equal digests.
 *
 * Call `canonicalJson`. It refuses what RFC 8785 cannot represent (non-finite numbers, lone
 * surrogates, anything that is not JSON) by throwing: such a value must have been refused at the edge.
 */

/** Any JSON value; members that are `undefined` are left out. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json | undefined }

const PLAIN = /^[\u0020-\u0021\u0023-\u005b\u005d-\u007e]*$/

/** The canonical text of `value`: keys sorted by UTF-16 code units, ECMAScript numbers (RFC 8785 §3.2). */
export function canonicalJson(value: Json): string {
  switch (typeof value) {
    case 'string':
      return text(value)
    case 'number':
      // RFC 8785 §3.2.2.3: NaN and Infinity are errors; -0 is written 0.
      if (!Number.isFinite(value)) throw new TypeError('expected a finite number')
      return Object.is(value, -0) ? '0' : String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return isList(value) ? list(value) : members(value)
    default:
      throw new TypeError(`expected a JSON value, got \`${typeof value}\``)
  }
}

function text(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`
  // RFC 8785 §3.2.2.2: a lone surrogate is an error.
  if (!value.isWellFormed()) throw new TypeError('expected well-formed Unicode')
  return JSON.stringify(value)
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function list(values: readonly Json[]): string {
  let out = '['
  for (let i = 0; i < values.length; i++) {
    out += (i === 0 ? '' : ',') + canonicalJson(values[i] as Json)
  }
  return `${out}]`
}

function members(value: JsonObject): string {
  const keys = Object.keys(value)
  if (keys.length > 1) keys.sort()
  let out = ''
  for (const key of keys) {
    const member = value[key]
    if (member === undefined) continue
    out += `${out === '' ? '' : ','}${text(key)}:${canonicalJson(member)}`
  }
  return `{${out}}`
}
