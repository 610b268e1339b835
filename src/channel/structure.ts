/**
 * The structure of what a tool answered: its records, and for each field whether the system wrote it.
 *
 * Call `recordsOf`. What a review declared a *system field* is one. Where it declared nothing, a field is
 * inferred to be one only if its name says identifier or address, its value has exactly that shape, and
 * no caller can write it. A field that callers can write is a *claim*: it says who the record's author
 * says they are. Everything else is free text, whatever it looks like.
 */

import { canonicalJson, type Json, type JsonObject } from '../base/canonical-json.ts'

/** Who stands behind a value: the system, a caller who filled a field, or the author of a text. */
export type FieldKind = 'system' | 'claim' | 'text'

/** One value of a record. */
export interface Field {
  readonly key: string
  /** Dotted path in the content, `[]` for list elements. */
  readonly path: string
  readonly text: string
  readonly kind: FieldKind
  /** Whether the value is a number of JSON, or a time: it can be the greatest of its column. */
  readonly measure?: number
}

/** One object of an answer with its own fields and those of what it holds. */
export interface AnswerRecord {
  readonly fields: readonly Field[]
  /** Which list of the answer it stands in: superlatives compare within one. */
  readonly list: string
}

/** What is known of the shape of an answer beforehand. */
export interface Shape {
  /** Paths declared at review; when given, nothing else is a system field. */
  readonly systemFields: readonly string[]
  /** Names of fields that callers can write. */
  readonly writable: readonly string[]
  /** Whether structure may be inferred: not where the tool hands out what others wrote, as it stands. */
  readonly inferred: boolean
}

/** Records beyond this are not told apart; their fields count as text, and so do fields beyond the most. */
const MOST_RECORDS = 5_000
const MOST_FIELDS = 50_000

/** The records of an answer; fields that stand in no object make one record per list element. */
export function recordsOf(content: Json, shape: Shape): readonly AnswerRecord[] {
  const walk: Walk = { shape, records: [], fields: 0 }
  const found = structured(content, shape)
  visit(found, { path: '', key: '', list: '' }, undefined, walk)
  const beside = found === content ? undefined : besideOf(content as JsonObject, found)
  if (beside === undefined) return walk.records
  // A client may show either: what it says there only is text, whatever it looks like.
  const plain: Walk = { shape: NOTHING_INFERRED, records: walk.records, fields: walk.fields }
  visit(beside, { path: 'content', key: '', list: 'content' }, undefined, plain)
  return plain.records
}

const NOTHING_INFERRED: Shape = { systemFields: [], writable: [], inferred: false }

/** The content blocks of a result that has structured content too, where they do not say the very same. */
function besideOf({ structuredContent, content }: JsonObject, found: Json): Json | undefined {
  if (structuredContent === undefined || content === undefined) return undefined
  const [block] = Array.isArray(content) ? (content as readonly Json[]) : []
  if (Array.isArray(content) && content.length === 1 && isObject(block)) {
    if (typeof block['text'] === 'string' && isJsonOf(block['text'], found)) return undefined
  }
  return content
}

function isJsonOf(text: string, value: Json): boolean {
  try {
    return canonicalJson(JSON.parse(text) as Json) === canonicalJson(value)
  } catch {
    return false
  }
}

interface Walk {
  readonly shape: Shape
  readonly records: { readonly fields: Field[]; readonly list: string }[]
  fields: number
}

interface Place {
  readonly path: string
  readonly key: string
  readonly list: string
}

/** The structured content of an MCP result; JSON in its only text counts where that may be inferred. */
function structured(content: Json, { inferred }: Shape): Json {
  if (!isObject(content)) return content
  const { structuredContent, content: blocks } = content
  if (structuredContent !== undefined) return structuredContent
  const [block] = Array.isArray(blocks) ? (blocks as readonly Json[]) : []
  if (!inferred || !Array.isArray(blocks) || blocks.length !== 1 || !isObject(block)) return content
  const { text } = block
  if (typeof text !== 'string' || !/^\s*[[{]/.test(text)) return content
  try {
    return JSON.parse(text) as Json
  } catch {
    return content
  }
}

function visit(
  value: Json | undefined,
  place: Place,
  record: Field[] | undefined,
  walk: Walk,
): void {
  if (Array.isArray(value)) {
    const path = `${place.path}[]`
    for (const element of value as readonly Json[])
      visit(
        element,
        { ...place, path, list: record === undefined ? path : place.list },
        record,
        walk,
      )
  } else if (isObject(value)) {
    const own = record ?? opened(place.list, walk)
    for (const [key, member] of Object.entries(value)) {
      const path = place.path === '' ? key : `${place.path}.${key}`
      // A map from addresses holds values in the place of names.
      if (!isPlainName(key)) keep({ path: place.path, key: place.key, text: key }, own, walk)
      visit(member, { path, key, list: place.list }, own, walk)
    }
  } else if (typeof value === 'string' || typeof value === 'number') {
    const text = String(value)
    const measure = measureOf(value)
    keep(
      { path: place.path, key: place.key, text, ...(measure !== undefined && { measure }) },
      record ?? opened(place.list, walk),
      walk,
    )
  }
}

/** Whether a member's name only names: not an address or a text in the place of a name. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_$][\w$.-]{0,60}$/.test(name) && !ADDRESS.test(name)
}

/** Begins a record; beyond the most, everything goes into the last, which then says nothing of each. */
function opened(list: string, { records }: Walk): Field[] {
  const last = records.at(-1)
  if (last !== undefined && records.length >= MOST_RECORDS) return last.fields
  const record = { fields: [], list }
  records.push(record)
  return record.fields
}

function keep(found: Omit<Field, 'kind'>, record: Field[], walk: Walk): void {
  walk.fields++
  const isTooMuch = walk.records.length >= MOST_RECORDS || walk.fields > MOST_FIELDS
  const kind = isTooMuch ? 'text' : kindOf(found, walk.shape)
  record.push({ ...found, kind })
}

function kindOf({ key, path, text }: Omit<Field, 'kind'>, shape: Shape): FieldKind {
  if (shape.systemFields.length > 0) return shape.systemFields.includes(path) ? 'system' : 'text'
  if (!shape.inferred || !isTyped(key, text)) return 'text'
  return shape.writable.some((name) => sameName(name, key)) ? 'claim' : 'system'
}

/** Mail addresses, IBANs, telephone numbers: shapes in which no sentence fits. */
const ADDRESS =
  /^(?:[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+|[A-Z]{2}\d{2}[A-Z0-9]{10,30}|\+\d{7,15})$/
const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
const IDENTIFIER_KEY =
  /(?:^|_)(?:id|uuid|guid|key|ref|number|no)_?$|[a-z](?:Id|ID|Uuid|Key|Ref|Number)$/
const ADDRESS_KEY =
  /mail|recipient|sender|participant|attendee|owner|member|author|user|address|account|iban|payee|phone|contact|shared|^(?:from|to|cc|bcc)_?$/i

function isTyped(key: string, text: string): boolean {
  if (IDENTIFIER_KEY.test(key)) return IDENTIFIER.test(text)
  // The answer of a tool that answers with one value has no name for it.
  return (key === '' || ADDRESS_KEY.test(key)) && ADDRESS.test(text)
}

/** `participants` and `participant`, `file_id` and `fileId`, `id_` and `id`. */
function sameName(one: string, other: string): boolean {
  const [a, b] = [one, other].map((name) =>
    name.replaceAll(/[_-]/g, '').toLowerCase().replace(/s$/, ''),
  )
  return a === b
}

/** Numbers, and times, which compare as numbers. */
function measureOf(value: string | number): number | undefined {
  if (typeof value === 'number') return value
  const [, date, time = '00:00'] =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})\S*)?$/.exec(value) ?? []
  // As digits, which are in the order of time; zones are not told apart.
  return date === undefined ? undefined : Number(`${date}${time}`.replaceAll(/\D/g, ''))
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
