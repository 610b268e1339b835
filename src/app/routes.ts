/** Every route of the one origin, in one table (ARCHITECTURE.md: wire surface). */

import { openApiDocument } from '../api/openapi.ts'
import { storeTileSource } from '../audit/tile-source.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Result } from '../base/result.ts'
import { answerMcp } from '../gateway/endpoint.ts'
import { spiffeBundle } from '../identity/spiffe-bundle.ts'
import { errorBody, type OAuthError } from '../token/errors.ts'
import { exchange } from '../token/exchange.ts'
import { introspect } from '../token/introspect.ts'
import { authorizationServerMetadata, jwks, protectedResourceMetadata } from '../token/metadata.ts'
import { revoke } from '../token/revoke.ts'
import { accessRoutes } from './access/endpoint.ts'
import { apiRoutes } from './api-endpoint.ts'
import { decideFor, INSTALLATION, knowPerson } from './asker.ts'
import { type HttpAnswer, type HttpRequest, json, plain, type Route } from './http.ts'
import type { Installation } from './installation.ts'
import { agentHandlers } from './operations/agents.ts'
import { connectionHandlers } from './operations/connections.ts'
import { scopeHandlers } from './operations/scopes.ts'
import { conversationHandlers } from './operations/conversations.ts'
import { attentionHandlers } from './operations/attention.ts'
import { delegationHandlers } from './operations/delegations.ts'
import { logHandlers } from './operations/log.ts'
import { peopleHandlers } from './operations/people.ts'
import { policyHandlers } from './operations/policies.ts'
import { serverHandlers } from './operations/servers.ts'
import { problem } from './problems.ts'
import { version } from './version.ts'

/** All routes of an installation. */
export function routes(env: Installation): Route[] {
  const { issuer } = env
  const mcp = async (request: HttpRequest): Promise<HttpAnswer> => {
    const { method, path, headers, times, body, signal, parameters } = request
    const { server } = parameters
    // One spelling per server: whoever filters by path on the way here knows no other.
    if (server !== undefined && path !== `/mcp/${server}`) return plain(404, 'not found')
    return await answerMcp(
      { method, headers, times, body, signal, ...(server !== undefined && { server }) },
      env,
    )
  }
  return [
    ...['/mcp', '/mcp/{server}'].flatMap((path) =>
      ['POST', 'GET', 'DELETE'].map((method) => ({ method, path, handle: mcp })),
    ),
    get('/.well-known/oauth-authorization-server', () =>
      json(200, authorizationServerMetadata(env)),
    ),
    get('/.well-known/oauth-protected-resource/{resource*}', ({ parameters }) =>
      metadataOf(`${issuer}/${parameters['resource']}`, env),
    ),
    get('/oauth/jwks', () => json(200, jwks(env))),
    post('/oauth/token', async (request) => {
      const { dpop } = request.headers
      const headers = {
        method: 'POST',
        htu: `${issuer}/oauth/token`,
        dpop: request.times('dpop') === 1 ? (dpop as string) : undefined,
      }
      const nonce = env.proofNonces?.current()
      return await oauth(request, (form) => exchange(form, headers, env), nonce)
    }),
    post('/oauth/introspect', (request) => oauth(request, (form) => introspect(form, env))),
    post('/oauth/revoke', (request) => oauth(request, (form) => revoke(form, env))),
    get('/spiffe/bundle', async () => json(200, await spiffeBundle(env))),
    get('/api/openapi.json', () => json(200, openApiDocument(issuer, version))),
    ...apiRoutes(
      {
        ...peopleHandlers,
        ...agentHandlers,
        ...serverHandlers,
        ...policyHandlers,
        ...delegationHandlers,
        ...attentionHandlers,
        ...scopeHandlers,
        ...connectionHandlers,
        ...conversationHandlers,
        ...logHandlers,
      },
      env,
    ),
    ...accessRoutes(env),
    get('/log/{path*}', (request) => tile(request, env)),
    get('/healthz', () => plain(200, 'alive')),
    get('/readyz', () => ready(env)),
    get('/metrics', () => ({
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4' },
      body: env.metrics.text(),
    })),
  ]
}

function get(path: string, handle: Route['handle']): Route {
  return { method: 'GET', path, handle }
}

function post(path: string, handle: Route['handle']): Route {
  return { method: 'POST', path, handle }
}

/** RFC 9728 §3.1: only for resources that are ours. */
function metadataOf(resource: string, env: Installation): HttpAnswer {
  const ours = /^\/(?:mcp(?:\/[a-z][a-z0-9-]{0,62})?|api\/v1)$/.test(
    resource.slice(env.issuer.length),
  )
  return ours ? json(200, protectedResourceMetadata(resource, env)) : plain(404, 'not found')
}

async function oauth(
  request: HttpRequest,
  endpoint: (form: URLSearchParams) => Promise<Result<JsonObject | undefined, OAuthError>>,
  nonce?: string,
): Promise<HttpAnswer> {
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    return json(400, { error: 'invalid_request', error_description: 'expected a form' })
  }
  const answer = await endpoint(new URLSearchParams(Buffer.from(request.body).toString('utf8')))
  // RFC 9449 §8: with what a nonce was missing for, and with what it will do for next.
  const given = nonce === undefined ? {} : { 'dpop-nonce': nonce }
  if (answer.ok)
    return answer.value === undefined ? { status: 200 } : json(200, answer.value, given)
  const { status, reason } = answer.error
  return json(status, errorBody(answer.error), {
    ...(reason === 'proof_nonce_wanted' && given),
    // RFC 6585 §4, RFC 9110 §15.6.4.
    ...(status === 429 && { 'retry-after': '30' }),
    ...(status === 503 && { 'retry-after': '1' }),
  })
}

/** The log for auditors: entries are not public, so a session and the right to audit are asked for. */
async function tile(request: HttpRequest, env: Installation): Promise<HttpAnswer> {
  const session = await knowPerson(request, env)
  if (!session.ok) return problem(session.error)
  const asked = { operation: 'log.entries', target: INSTALLATION }
  const decided = await decideFor(session.value, asked, env)
  if (!decided.ok) return problem(decided.error)
  const bytes = await storeTileSource(env.store)(request.parameters['path'] ?? '')
  if (bytes === undefined) return plain(404, 'not found')
  return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: bytes }
}

/** Ready while the database answers and the change feed is up to date. */
async function ready(env: Installation): Promise<HttpAnswer> {
  const behind = env.clock.nowMilliseconds() - env.feed.freshAsOfMilliseconds()
  if (behind > 5_000) return plain(503, 'the change feed is behind')
  await env.store.snapshot(async () => undefined)
  return plain(200, 'ready')
}
