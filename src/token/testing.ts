/** What tests that need tokens start from: `openTestTokens`, then `world.exchange()`. */

import { generateKeyPairSync } from 'node:crypto'
import type { TestContext } from 'node:test'
import { SignJWT } from 'jose'
import { assignOwner } from '../accountability/assign-owner.ts'
import { migrations as accountabilityMigrations } from '../accountability/migrations.ts'
import type { Entry } from '../audit/entry.ts'
import { LogWriter } from '../audit/log-writer.ts'
import { testActor } from '../audit/testing.ts'
import { base64url, sha256 } from '../base/bytes.ts'
import type { Json } from '../base/canonical-json.ts'
import { type Clock, FakeClock, nowSeconds } from '../base/clock.ts'
import { type Random, systemRandom } from '../base/random.ts'
import { must, type Result } from '../base/result.ts'
import { delegate } from '../delegation/delegate.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { migrations as delegationMigrations } from '../delegation/migrations.ts'
import type { Agent, AgentId } from '../identity/agent.ts'
import { issueJwtSvid } from '../identity/issue-svid.ts'
import { openTestIdentity, testAgent, type TestIdentity } from '../identity/testing.ts'
import { thumbprint } from '../keys/signing-key.ts'
import { testKeyring } from '../keys/testing.ts'
import { migrations as peopleMigrations } from '../people/migrations.ts'
import type { Session } from '../people/session.ts'
import { addTestPerson, entriesFrom, signInTestPerson } from '../people/testing.ts'
import { migrations as registryMigrations } from '../registry/migrations.ts'
import { registerServer } from '../registry/register.ts'
import { JWT_SPIFFE } from './authenticate-client.ts'
import type { OAuthError } from './errors.ts'
import { exchange, type ExchangeEnv, type TokenResponse } from './exchange.ts'
import { JWT_TYPE, TOKEN_EXCHANGE } from './exchange-request.ts'
import { migrations } from './migrations.ts'
import { type TokenMemory, tokenMemory } from './token-memory.ts'

/** The public origin in tests. */
export const TEST_ISSUER = 'https://behalf.example'

/** A key that its holder proves. */
export interface TestHolder {
  readonly jkt: string
  /** A proof for one request. */
  prove(method: string, url: string, accessToken?: string, nonce?: string): Promise<string>
}

/** Everything that the functions of this folder take as `env`. */
export interface TestTokenEnv extends TestIdentity, TokenMemory {
  readonly logWriter: LogWriter
  readonly issuer: string
}

/** Alice, who answers for tax preparers and delegates to them; a server `documents`, and one `memory`. */
export interface TestTokens {
  readonly env: TestTokenEnv
  readonly alice: Session
  /** Alice's delegation to `delegate`; the archetype unless told. */
  delegation(options?: {
    readonly agent?: AgentId
    readonly details?: Json
    readonly lifetimeSeconds?: number
  }): Promise<Delegation>
  /** A JWT-SVID of the agent for the issuer. */
  svid(agent: AgentId, audience?: readonly string[]): Promise<string>
  /** The answer to an agent that asks with `holder`'s key; `form` replaces parameters, `undefined` omits them. */
  exchange(
    asker: { readonly agent: Agent; readonly holder: TestHolder },
    delegation: Delegation,
    form?: Readonly<Record<string, string | undefined>>,
  ): Promise<Result<TokenResponse, OAuthError>>
}

/** Where clients ask for tokens. */
export const TOKEN_ENDPOINT = `${TEST_ISSUER}/oauth/token`

/** What Alice hands over unless told. */
export const TEST_DETAILS = [
  {
    type: 'mcp_call',
    locations: [`${TEST_ISSUER}/mcp/documents`],
    actions: ['tools/call:read_text_file', 'resources/read'],
    arguments: {
      read_text_file: { path: { prefix: '/clients/1042' } },
      'resources/read': { uri: { prefix: 'file:///clients/1042' } },
    },
  },
  {
    type: 'mcp_call',
    locations: [`${TEST_ISSUER}/mcp/memory`],
    actions: ['tools/call:create_entities'],
  },
] as const satisfies Json

/** Opens the world; it ends with the test. */
export async function openTestTokens(t: TestContext): Promise<TestTokens> {
  const identity = await openTestIdentity(t, [
    ...peopleMigrations,
    ...registryMigrations,
    ...accountabilityMigrations,
    ...delegationMigrations,
    ...migrations,
  ])
  // Delegations are timed by the database, whose clock is the machine's.
  const clock = new FakeClock(Date.now())
  const shared = { ...identity, clock, random: systemRandom as never, issuer: TEST_ISSUER }
  const logWriter = new LogWriter(shared)
  const keyring = testKeyring(shared)
  const env: TestTokenEnv = {
    ...shared,
    logWriter,
    keyring,
    ...tokenMemory({ ...shared, logWriter }),
  }
  await env.revokedTokens.load()

  const { id } = await addTestPerson('alice', env)
  const { session: alice } = await signInTestPerson('alice', env)
  await testAgent(env)
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner: id }, testActor, env))
  for (const name of ['documents', 'memory']) {
    const transport = { type: 'stdio', command: 'node', args: [] }
    must(await registerServer({ name, title: name, transport }, alice, env))
  }
  const svid = async (agent: AgentId, audience = [TEST_ISSUER]): Promise<string> =>
    must(await issueJwtSvid({ id: agent }, audience, env))

  return {
    env,
    alice,
    svid,
    async delegation({ agent, details = TEST_DETAILS, lifetimeSeconds = 3_600 } = {}) {
      const to = { archetype: 'tax-preparer', ...(agent === undefined ? {} : { agent }) }
      const purpose = 'prepare return 1042'
      return must(await delegate({ purpose, delegate: to, details, lifetimeSeconds }, alice, env))
    },
    exchange: (asker, delegation, form) => testExchange(asker, { delegation, form }, env),
  }
}

/** Asks for a token as an agent does: its JWT-SVID, the signed delegation, a proof by its key. */
export async function testExchange(
  { agent, holder }: { readonly agent: Pick<Agent, 'id'>; readonly holder: TestHolder },
  asked: {
    readonly delegation: Pick<Delegation, 'signed'>
    readonly form?: Readonly<Record<string, string | undefined>> | undefined
  },
  env: ExchangeEnv,
): Promise<Result<TokenResponse, OAuthError>> {
  const own = must(await issueJwtSvid({ id: agent.id }, [env.issuer], env))
  const parameters = {
    grant_type: TOKEN_EXCHANGE,
    client_assertion_type: JWT_SPIFFE,
    client_assertion: own,
    subject_token: asked.delegation.signed,
    subject_token_type: JWT_TYPE,
    actor_token: own,
    actor_token_type: JWT_TYPE,
    ...asked.form,
  }
  const htu = `${env.issuer}/oauth/token`
  const headers = { dpop: await holder.prove('POST', htu), method: 'POST', htu }
  return await exchange(formOf(parameters), headers, env)
}

/** The parameters that are given. */
export function formOf(parameters: Readonly<Record<string, string | undefined>>): URLSearchParams {
  return new URLSearchParams(
    Object.entries(parameters).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as [string, string]],
    ),
  )
}

/** A new key. */
export function testHolder(env: { readonly clock: Clock; readonly random: Random }): TestHolder {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { kty = '', crv = '', x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const jwk = { kty, crv, x, y }
  return {
    jkt: thumbprint(jwk),
    async prove(method, url, accessToken, nonce) {
      const ath = accessToken === undefined ? {} : { ath: base64url(sha256(accessToken)) }
      const wanted = nonce === undefined ? {} : { nonce }
      return await new SignJWT({ htm: method, htu: url, ...ath, ...wanted })
        .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk })
        .setJti(base64url(env.random.bytes(16)))
        .setIssuedAt(nowSeconds(env.clock))
        .sign(privateKey)
    },
  }
}

/** Everything that is in the log. */
export async function entriesOf({ env }: TestTokens): Promise<Entry[]> {
  return await entriesFrom(0, env.store)
}
