/**
 * A whole installation in one test: real Postgres, real keys, tokens, policies and registry, and any number
 * of gateways on the one database, each with connections, caches and a change feed of its own, as
 * replicas have. Only the MCP servers behind it are faked.
 *
 * Call `openTestGateways`, then `open` per gateway and `caller` per agent; `call` is one `tools/call`.
 */

import type { TestContext } from 'node:test'
import { assignOwner } from '../accountability/assign-owner.ts'
import { migrations as approval } from '../approval/migrations.ts'
import { checkApprovals } from '../approval/check-approvals.ts'
import { checkLog } from '../audit/check-log.ts'
import { LogWriter } from '../audit/log-writer.ts'
import { testActor } from '../audit/testing.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { type Diagnostics, silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { migrations as channel } from '../channel/migrations.ts'
import { checkDelegations } from '../delegation/check-delegations.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { DEFAULT_BUDGET, type RefusalBudget } from '../delegation/refusal-budget.ts'
import { openTestOffice, testDelegation, type TestOffice } from '../delegation/testing.ts'
import type { Agent } from '../identity/agent.ts'
import { testAgent } from '../identity/testing.ts'
import { META, MODERN, modernHeaders } from '../mcp/era.ts'
import { requestText } from '../mcp/message.ts'
import { activateDefaults } from '../policy/activate.ts'
import { activatePolicies } from '../policy/testing.ts'
import { migrations as policy } from '../policy/migrations.ts'
import { type ChangeFeed, watchChanges } from '../store/changes.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import { migrations as token } from '../token/migrations.ts'
import type { ExchangeEnv } from '../token/exchange.ts'
import { testExchange, type TestHolder, testHolder } from '../token/testing.ts'
import { tokenMemory } from '../token/token-memory.ts'
import { FakeUpstreams } from '../upstream/fake-upstreams.ts'
import { Admissions } from './admit.ts'
import { Approvals } from './approvals.ts'
import { checkCalls } from './check-calls.ts'
import { answerMcp, type EndpointEnv, type McpAnswer } from './endpoint.ts'
import { FactsCache } from './facts-cache.ts'
import { ServersCache } from './servers-cache.ts'
import { CallsUnderWay } from './under-way.ts'

/** An office whose agents call through gateways. */
export interface TestGateways extends TestOffice {
  readonly diagnostics: Diagnostics
  /** Opens another gateway. */
  open(options?: GatewayOptions): Promise<TestGateway>
  /** Every invariant over the whole database: of the log, of delegations, approvals, calls. */
  check(): Promise<void>
}

/** How a gateway differs from one that works as it should. */
export interface GatewayOptions {
  /** Hears of no change: every cache stays as stale as it can be, and believes that it is fresh. */
  readonly deaf?: boolean
  /** Stands between the gateway and the database: faults, delays, an order of its own. */
  readonly through?: (store: Store) => Store
  /** Of archetypes that nobody set one for. */
  readonly refusalBudget?: RefusalBudget
}

/** One gateway, its servers, and what it remembers. */
export interface TestGateway {
  readonly env: EndpointEnv & ExchangeEnv & TestOffice & { readonly diagnostics: Diagnostics }
  readonly upstreams: FakeUpstreams
}

/** An agent with its key and its tokens. */
export interface TestCaller {
  readonly agent: Agent
  readonly delegation: Delegation
  readonly holder: TestHolder
  /** The token for a resource, the server `documents` unless told; asked for once. */
  token(gateway: TestGateway, resource?: string): Promise<string>
  /** Forgets the tokens. */
  forget(): void
}

const POLICIES = {
  agent: `@id("all") permit (principal in Archetype::"tax-preparer", action in Action::"use", resource);
          @id("browse") permit (principal, action in Action::"browse", resource);`,
  person: `@id("all") permit (principal, action in Action::"use", resource);
           @id("browse") permit (principal, action in Action::"browse", resource);`,
}

/** Opens the installation; it ends with the test. */
export async function openTestGateways(t: TestContext): Promise<TestGateways> {
  const office = await openTestOffice(t, [...approval, ...token, ...channel, ...policy])
  // Expiry is compared with the database's clock, so ours must tell the same time.
  await office.clock.advance(Date.now() - office.clock.nowMilliseconds())
  await activateDefaults(office)
  must(await activatePolicies(POLICIES, testActor, office))
  const owner = office.paul.person
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner }, testActor, office))
  const env = { ...office, diagnostics: silentDiagnostics }
  let opened = 0
  return {
    ...env,
    open: (options = {}) => openGateway(t, env, `g${++opened}`, options),
    async check() {
      await checkLog(office.store)
      await checkDelegations(office.store, office)
      await checkApprovals(office.store, office)
      await checkCalls(office.store)
    },
  }
}

async function openGateway(
  t: TestContext,
  office: TestOffice & { readonly diagnostics: Diagnostics },
  name: string,
  { deaf = false, through = (store) => store, refusalBudget = DEFAULT_BUDGET }: GatewayOptions,
): Promise<TestGateway> {
  const ending = new AbortController()
  const own = await openStore({
    url: office.store.url,
    migrations: [],
    diagnostics: office.diagnostics,
    poolSize: 6,
  })
  const store = through(own)
  const env = { ...office, store, logWriter: new LogWriter({ store }) }
  const memory = tokenMemory(env)
  let feed: ChangeFeed | undefined
  const facts = new FactsCache({ ...env, isFresh: always })
  const caughtUpTo = (): number => feed?.caughtUpTo() ?? 0
  const servers = new ServersCache({ ...env, isFresh: always, caughtUpTo })
  const approvals = new Approvals(env)
  const underWay = new CallsUnderWay({ ...env, facts, servers })
  // A deaf gateway believes for ever what it read at first.
  if (!deaf) {
    feed = await watchChanges(
      env,
      (touched) => {
        facts.forget(touched.keys())
        memory.revokedTokens.onTouched(touched)
        if ([...touched.keys()].some((subject) => subject.startsWith('srv_'))) servers.forget()
        underWay.touched(new Set(touched.keys()))
      },
      ending.signal,
    )
  }
  await memory.revokedTokens.load()
  t.after(async () => {
    ending.abort()
    await feed?.stopped
    await own.close()
  })
  const upstreams = new FakeUpstreams()
  let calls = 0
  return {
    upstreams,
    env: {
      ...env,
      ...memory,
      facts,
      servers,
      approvals,
      underWay,
      upstreams,
      refusalBudget,
      admissions: new Admissions(env),
      nextCall: () => `${name}.${++calls}`,
      info: { name: 'behalf', title: 'Behalf gateway', version: '0.0.0' },
    },
  }
}

function always(): boolean {
  return true
}

/** The agent of a delegation, with a key of its own. */
export function testCaller(agent: Agent, delegation: Delegation, env: TestGateways): TestCaller {
  const holder = testHolder(env)
  const tokens = new Map<string, Promise<string>>()
  const fetchToken = async (gateway: TestGateway, resource: string): Promise<string> => {
    const form = { resource }
    const answered = await testExchange({ agent, holder }, { delegation, form }, gateway.env)
    return must(answered).access_token
  }
  return {
    agent,
    delegation,
    holder,
    token(gateway, resource = `${env.issuer}/mcp/documents`) {
      const known = tokens.get(resource) ?? fetchToken(gateway, resource)
      tokens.set(resource, known)
      return known
    },
    forget: () => tokens.clear(),
  }
}

/** An agent that may read below `/clients/1042`, and nothing else. */
export async function testReader(office: TestGateways): Promise<TestCaller> {
  const agent = await testAgent(office)
  const delegation = await testDelegation(office, {
    delegate: { archetype: agent.archetype, agent: agent.id },
    details: [
      {
        type: 'mcp_call',
        locations: [office.location],
        actions: ['tools/call:read'],
        arguments: { read: { path: { prefix: '/clients/1042' } } },
      },
    ],
  })
  return testCaller(agent, delegation, office)
}

/** One `tools/call` of `documents`, in the stateless era: what came of it. */
export async function call(
  gateway: TestGateway,
  caller: TestCaller,
  tool: string,
  args: JsonObject,
): Promise<{ readonly status: number; readonly answer: JsonObject }> {
  const params = {
    name: tool,
    arguments: args,
    _meta: { [META.protocolVersion]: MODERN, [META.clientCapabilities]: {} },
  }
  const { status, body } = await send(gateway, caller, {
    text: requestText(1, 'tools/call', params),
    headers: modernHeaders('tools/call', params),
  })
  return { status, answer: body === undefined ? {} : (JSON.parse(body) as JsonObject) }
}

/** Sends one message to the endpoint of a server, `documents` unless told, with token and proof. */
export async function send(
  gateway: TestGateway,
  caller: TestCaller,
  message: {
    readonly text: string
    readonly headers?: Readonly<Record<string, string>>
    /** The server; null for the endpoint of all. */
    readonly server?: string | null
    readonly signal?: AbortSignal
  },
): Promise<McpAnswer> {
  const { server = 'documents', signal = new AbortController().signal } = message
  const resource = `${gateway.env.issuer}/mcp${server === null ? '' : `/${server}`}`
  const accessToken = await caller.token(gateway, resource)
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    authorization: `DPoP ${accessToken}`,
    dpop: await caller.holder.prove('POST', resource, accessToken),
    ...message.headers,
  }
  return await answerMcp(
    {
      method: 'POST',
      headers,
      times: (name) => (headers[name] === undefined ? 0 : 1),
      body: Buffer.from(message.text),
      signal,
      ...(server !== null && { server }),
    },
    gateway.env,
  )
}
