/**
 * JSON-RPC 2.0 as MCP uses it: no batches, ids that are strings or integers, parameters by name.
 *
 * Call `parseMessage` on a strictly parsed value (`strict-json.ts`). Members that JSON-RPC does not
 * name are left behind here: what is sent on is made anew by `requestText` from what was decided.
 */

import type { Json, JsonObject } from '../base/canonical-json.ts'
import { ok, refuse, type Result } from '../base/result.ts'

/** The id of a request. MCP forbids null. */
export type RequestId = string | number

/** An error as JSON-RPC sends it (§5.1). */
export interface RpcError {
  readonly code: number
  readonly message: string
  readonly data?: Json
}

/** One message. Absent parameters are an empty object. */
export type Message =
  | {
      readonly type: 'request'
      readonly id: RequestId
      readonly method: string
      readonly params: JsonObject
    }
  | { readonly type: 'notification'; readonly method: string; readonly params: JsonObject }
  | {
      readonly type: 'response'
      readonly id: RequestId | null
      readonly outcome: { readonly result: JsonObject } | { readonly error: RpcError }
    }

/** A value that is no message; `id` is there to answer with when it could be read. */
export interface MessageRefusal {
  readonly reason: 'message_batch' | 'message_shape'
  readonly id?: RequestId
  readonly message: string
}

const MAX_ID_LENGTH = 256
const MAX_METHOD_LENGTH = 128

/** The message in `value`. */
export function parseMessage(value: Json): Result<Message, MessageRefusal> {
  // MCP 2025-06-18 removed batches; one request decides one thing.
  if (Array.isArray(value))
    return refuse({ reason: 'message_batch', message: 'expected one message' })
  if (!isObject(value)) return shape('expected an object')
  const id = isId(value['id']) ? value['id'] : undefined
  // JSON-RPC 2.0 §4: `jsonrpc` MUST be exactly "2.0".
  if (value['jsonrpc'] !== '2.0') return shape('expected `jsonrpc` to be "2.0"', id)
  if (value['id'] !== undefined && id === undefined && value['id'] !== null) {
    return shape('expected `id` to be a string or an integer')
  }
  const answers = Object.hasOwn(value, 'result') || Object.hasOwn(value, 'error')
  if (!Object.hasOwn(value, 'method'))
    return answers ? response(value, id) : shape('expected `method`', id)
  // A message that two readers could take for different things is neither.
  if (answers) return shape('expected a request or a response', id)
  const { method, params = {} } = value
  if (typeof method !== 'string' || method.length === 0 || method.length > MAX_METHOD_LENGTH) {
    return shape(`expected \`method\` to have 1 to ${MAX_METHOD_LENGTH} characters`, id)
  }
  // MCP: parameters are an object, where JSON-RPC 2.0 §4.2 also allows a list.
  if (!isObject(params)) return shape('expected `params` to be an object', id)
  if (id !== undefined) return ok({ type: 'request', id, method, params })
  // MCP (Base protocol, Requests): the id MUST NOT be null.
  if (value['id'] === null) return shape('expected `id` not to be null')
  return ok({ type: 'notification', method, params })
}

function response(value: JsonObject, id: RequestId | undefined): Result<Message, MessageRefusal> {
  const { result, error } = value
  // JSON-RPC 2.0 §5: either result or error, never both.
  if (result !== undefined && error !== undefined) return shape('expected `result` or `error`', id)
  if (isObject(result) && id !== undefined) return ok({ type: 'response', id, outcome: { result } })
  if (!isRpcError(error)) return shape('expected `result` or `error` to be an object', id)
  const { code, message, data } = error
  const told: RpcError = data === undefined ? { code, message } : { code, message, data }
  return ok({ type: 'response', id: id ?? null, outcome: { error: told } })
}

function shape(message: string, id?: RequestId): Result<never, MessageRefusal> {
  return refuse({ reason: 'message_shape', message, ...(id === undefined ? {} : { id }) })
}

function isId(value: Json | undefined): value is RequestId {
  return typeof value === 'string' ? value.length <= MAX_ID_LENGTH : Number.isSafeInteger(value)
}

function isRpcError(value: Json | undefined): value is RpcError & JsonObject {
  return (
    isObject(value) && Number.isSafeInteger(value['code']) && typeof value['message'] === 'string'
  )
}

/** Whether a value is a JSON object. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The text of a request. */
export function requestText(id: RequestId, method: string, params: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params })
}

/** The text of a notification. */
export function notificationText(method: string, params?: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params })
}

/** The text of a response that carries a result. */
export function resultText(id: RequestId, result: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', id, result })
}

/** The text of a response that carries an error. `id` is null when the request's was unreadable (§5). */
export function errorText(id: RequestId | null, error: RpcError): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error })
}
