/** A value as a parameter of a statement: bytes as they are, everything else as Postgres reads it from text. */

/** The text or bytes of a parameter, null for none. Objects are JSON, lists are arrays of the database. */
export function parameterOf(value: unknown): string | Buffer | null {
  switch (typeof value) {
    case 'undefined':
      return null
    case 'string':
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
      if (value === null) return null
      if (Array.isArray(value)) return arrayText(value)
      if (value instanceof Uint8Array) return bytesOf(value)
      return JSON.stringify(value)
  }
}

/** PostgreSQL, "Array Value Input": every element is quoted, so that none is taken for syntax. */
function arrayText(values: readonly unknown[]): string {
  let text = '{'
  for (const [i, value] of values.entries()) {
    if (i > 0) text += ','
    if (Array.isArray(value)) text += arrayText(value)
    else {
      const element = parameterOf(value)
      if (element === null) text += 'NULL'
      else if (typeof element === 'string') text += quoted(element)
      else text += `"\\\\x${element.toString('hex')}"`
    }
  }
  return `${text}}`
}

const SPECIAL = /["\\]/

function quoted(element: string): string {
  return `"${SPECIAL.test(element) ? element.replaceAll(/["\\]/g, String.raw`\$&`) : element}"`
}

function bytesOf(value: Uint8Array): Buffer {
  return value instanceof Buffer
    ? value
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}
