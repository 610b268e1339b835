/**
 * What an agent needs to act: tokens for one delegation, fetched and renewed, each bound to its key.
 *
 * Call `agentAccess`; give its `fetch` to an MCP client or to `connect`. The agent holds its SVID, a key
 * in memory and tokens of five minutes; nothing of the person's. Node only.
 */

import type { KeyObject } from 'node:crypto'
import * as z from 'zod'
import { type Clock, nowSeconds } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { dpopKey, newDpopKey } from './dpop.ts'
import type { WorkloadApi } from './workload.ts'

/** What an agent was given: where to ask, and the delegation that a person signed off. */
export interface AgentAccessOptions {
  /** The public origin of the installation, which is also the OAuth issuer. */
  readonly issuer: string
  readonly workload: WorkloadApi
  /** The signed delegation: useless without this agent's SVID. */
  readonly delegation: string
  /** The agent's key (EC P-256); a new one in memory unless told. The first that it uses is its only one. */
  readonly key?: KeyObject
}

/** Access under one delegation. */
export interface AgentAccess {
  /** `fetch` with a token for the resource that the URL belongs to, and a proof for this request. */
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>
  /** A token for `resource` (RFC 8707), from memory while it is valid; throws `ExchangeRefused`. */
  token(resource: string): Promise<string>
}

/** The token endpoint's refusal (RFC 6749 §5.2). */
export class ExchangeRefused extends Error {
  /** The OAuth error code. */
  readonly code: string

  constructor(code: string, description: string | undefined) {
    super(
      `the token endpoint answered \`${code}\`${description === undefined ? '' : `: ${description}`}`,
    )
    this.code = code
  }
}

const tokenResponse = z.object({ access_token: z.string(), expires_in: z.int().positive() })
const errorResponse = z.object({ error: z.string(), error_description: z.string().optional() })

/** A token is renewed this long before it expires: seconds. */
const RENEW_BEFORE = 30

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const JWT = 'urn:ietf:params:oauth:token-type:jwt'
const JWT_SPIFFE = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'

/** A token in memory. */
interface Held {
  readonly token: string
  /** Seconds. */
  readonly renewAt: number
}

/** Access under `options.delegation`; the first token is fetched with the first request. */
export function agentAccess(
  options: AgentAccessOptions,
  env: { readonly clock: Clock; readonly random: Random },
): AgentAccess {
  const key = options.key === undefined ? newDpopKey(env) : dpopKey(options.key, env)
  const held = new Map<string, Held>()
  /** Requests at the same time wait for the same exchange. */
  const coming = new Map<string, Promise<Held>>()
  const nonces = new Nonces()

  const token = async (resource: string): Promise<string> => {
    const known = held.get(resource)
    if (known !== undefined && nowSeconds(env.clock) < known.renewAt) return known.token
    const exchanged = coming.get(resource) ?? exchange(resource)
    coming.set(resource, exchanged)
    try {
      const got = await exchanged
      held.set(resource, got)
      return got.token
    } finally {
      coming.delete(resource)
    }
  }

  const exchange = async (resource: string): Promise<Held> => {
    const endpoint = `${options.issuer}/oauth/token`
    // One SVID is client credential and actor token at once (draft-ietf-oauth-spiffe-client-auth).
    const { svid } = await options.workload.fetchJwtSvid(options.issuer)
    const body = new URLSearchParams({
      grant_type: TOKEN_EXCHANGE,
      client_assertion_type: JWT_SPIFFE,
      client_assertion: svid,
      subject_token: options.delegation,
      subject_token_type: JWT,
      actor_token: svid,
      actor_token_type: JWT,
      resource,
    })
    const response = await nonces.proven((nonce) =>
      fetch(endpoint, {
        method: 'POST',
        headers: { dpop: key.prove('POST', endpoint, undefined, nonce) },
        body,
      }),
    )
    const answer: unknown = await response.json()
    if (!response.ok) {
      const { error, error_description } = errorResponse.parse(answer)
      throw new ExchangeRefused(error, error_description)
    }
    const { access_token, expires_in } = tokenResponse.parse(answer)
    return {
      token: access_token,
      renewAt: nowSeconds(env.clock) + expires_in - RENEW_BEFORE,
    }
  }

  return {
    token,
    async fetch(input, init) {
      const request = new Request(input, init)
      const resource = resourceOf(request.url)
      const accessToken = await token(resource)
      request.headers.set('authorization', `DPoP ${accessToken}`)
      const response = await nonces.proven((nonce) => {
        const proof = key.prove(request.method, request.url, accessToken, nonce)
        request.headers.set('dpop', proof)
        return fetch(request.clone())
      })
      // The token may have been revoked; the next request asks for a new one.
      if (response.status === 401) held.delete(resource)
      return response
    },
  }
}

/** How often a request is sent: with the nonce that we have, and with those that the server asks for instead. */
const TRIES = 4

/** The nonce that the server wants in proofs, if it wants one (RFC 9449 §8, §9). */
class Nonces {
  #latest: string | undefined

  /** Sends until the server is content with the nonce: what it refused for that has had no effect. */
  async proven(send: (nonce: string | undefined) => Promise<Response>): Promise<Response> {
    for (let tries = 1; ; tries++) {
      const sent = this.#latest
      const response = await send(sent)
      const next = response.headers.get('dpop-nonce') ?? undefined
      if (next !== undefined) this.#latest = next
      const refused = response.status === 400 || response.status === 401
      if (!refused || next === undefined || next === sent || tries === TRIES) return response
      await response.body?.cancel()
    }
  }
}

/** The protected resource that a URL belongs to: each MCP endpoint is one, the administration API another. */
function resourceOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + (pathname.startsWith('/api/v1') ? '/api/v1' : pathname)
}
