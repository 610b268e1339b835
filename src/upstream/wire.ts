/**
 * What a connection to an MCP server can do, whatever carries it, and the few ways in which a request ends.
 *
 * The ways are kept apart by what they say about an effect: `unsent` certainly had none, `answered` and
 * `failed` are the server's word, `unusable` and `lost` may have had one. INVARIANT (record first): nothing in
 * this folder sends a request twice.
 */

import type { JsonObject } from '../base/canonical-json.ts'
import { errorFor } from '../mcp/refusals.ts'
import { classify, announcesChange } from '../mcp/actions.ts'
import { LEGACY, META, MODERN, type Era } from '../mcp/era.ts'
import { errorText, isObject, resultText, type Message, type RpcError } from '../mcp/message.ts'

/** How one request ended. */
export type Answer =
  /** The server's result, in so many bytes. */
  | { readonly kind: 'answered'; readonly result: JsonObject; readonly bytes: number }
  /** The server's error. */
  | { readonly kind: 'failed'; readonly error: RpcError }
  /** Not a byte left us. */
  | { readonly kind: 'unsent'; readonly why: string }
  /** An answer came that we do not take: too large, not JSON, not of the protocol. */
  | { readonly kind: 'unusable'; readonly why: string }
  /** It was sent, and no answer came. */
  | { readonly kind: 'lost'; readonly why: string }

/** A way to exchange messages with one server. */
export interface Wire {
  /** From now on messages are of this revision; undefined until one is agreed. */
  speak(version: string | undefined): void
  /**
   * Sends one request, once. Aborting passes the cancellation on and ends it as `lost`, or as `unsent` if it
   * was not sent yet. Never rejects. `headers` are for HTTP.
   */
  request(method: string, params: JsonObject, options: RequestOptions): Promise<Answer>
  /** Sends one notification; whether it arrives is not known. */
  notify(method: string, params: JsonObject): Promise<void>
  /** Aborted when nothing more can be sent; its reason is why. */
  readonly ended: AbortSignal
  /** Ends what is under way, and the server where we started it. */
  close(): Promise<void>
}

/** What else a request needs to know. */
export interface RequestOptions {
  readonly signal: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
}

/** What a wire tells the connection besides answers. */
export interface WireEvents {
  /** The server says that what it offers may have changed. */
  readonly listChanged?: () => void
}

/** How we present ourselves to servers. */
export interface ClientInfo {
  readonly name: string
  readonly version: string
}

/** `params` as the agreed revision wants them: a stateless request says in `_meta` who sends it. */
export function enveloped(
  params: JsonObject,
  version: string | undefined,
  client: ClientInfo,
): JsonObject {
  if (version !== MODERN) return params
  const given = isObject(params['_meta']) ? params['_meta'] : {}
  const meta = {
    ...given,
    [META.protocolVersion]: MODERN,
    // No capability is declared: a server has nothing to ask of us (MCP 2026-07-28 Base protocol).
    [META.clientCapabilities]: {},
    [META.clientInfo]: { name: client.name, version: client.version },
  }
  return { ...params, _meta: meta }
}

/**
 * What a server's own request is answered with: pings are, everything else (sampling, elicitation, roots) is
 * refused as a client without the capability refuses it. A notification needs no answer.
 */
export function replyTo(message: Message, version: string | undefined): string | undefined {
  if (message.type !== 'request') return undefined
  const era: Era = version === MODERN ? MODERN : LEGACY
  if (classify(message.method, era, 'server')?.handling === 'answered') {
    return resultText(message.id, {})
  }
  return errorText(message.id, errorFor('method_not_found', era).error)
}

/** Tells `events` what a notification says, as far as anybody here listens. */
export function noticed(message: Message, events: WireEvents): void {
  if (message.type === 'notification' && announcesChange(message.method)) events.listChanged?.()
}
