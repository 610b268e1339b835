/** An office to delegate in: people, a group, agents, reviewed servers. For tests of every room above. */

import type { TestContext } from 'node:test'
import { migrations as accountability } from '../accountability/migrations.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import type { Agent } from '../identity/agent.ts'
import { migrations as identity } from '../identity/migrations.ts'
import { parseTrustDomain, type TrustDomain } from '../identity/spiffe-id.ts'
import { testAgent } from '../identity/testing.ts'
import { migrations as keys } from '../keys/migrations.ts'
import { migrations as people } from '../people/migrations.ts'
import type { Group } from '../people/person.ts'
import type { Session } from '../people/session.ts'
import { addTestGroup, addTestPerson, signInTestPerson } from '../people/testing.ts'
import type { ReviewedTool, Server } from '../registry/server.ts'
import {
  openTestRegistry,
  reviewedTestServer,
  type TestRegistry,
  testListing,
  testTool,
} from '../registry/testing.ts'
import type { Migration } from '../store/store.ts'
import { delegate, type DelegateRequest } from './delegate.ts'
import type { Delegation } from './delegation.ts'
import { migrations } from './migrations.ts'
import type { ScopeTemplate } from './template.ts'

/** People, agents and servers, and all that functions of this folder take as `env`. */
export interface TestOffice extends TestRegistry {
  readonly trustDomain: TrustDomain
  /** Alice delegates, Paul is a partner, Sam is nobody in particular, Ada administers. */
  readonly alice: Session
  readonly paul: Session
  readonly sam: Session
  readonly ada: Session
  readonly partners: Group
  readonly agent: Agent
  readonly documents: Server
  /** The location of `documents`. */
  readonly location: string
}

/** An office with a database of its own; it ends with the test. */
export async function openTestOffice(
  t: TestContext,
  more: readonly Migration[] = [],
): Promise<TestOffice> {
  const rooms = [...keys, ...people, ...identity, ...accountability, ...migrations, ...more]
  const registry = await openTestRegistry(t, rooms)
  const env = { ...registry, trustDomain: must(parseTrustDomain('acme.example')) }
  const signedIn = async (handle: string, groups: readonly string[] = []): Promise<Session> => {
    const person = await addTestPerson(handle, env)
    for (const group of groups) await addTestGroup(group, [person], env)
    return (await signInTestPerson(handle, env)).session
  }
  const alice = await signedIn('alice')
  const person = await addTestPerson('paul', env)
  const partners = await addTestGroup('partners', [person], env)
  const paul = (await signInTestPerson('paul', env)).session
  const sam = await signedIn('sam')
  const ada = await signedIn('ada', ['administrators'])
  const agent = await testAgent(env)
  const documents = await testServer('documents', env)
  const location = `${env.issuer}/mcp/documents`
  return { ...env, alice, paul, sam, ada, partners, agent, documents, location }
}

/** A reviewed server with the tools `read` (a path), `pay` (an account, an amount) and `file`. */
export async function testServer(name: string, env: TestRegistry): Promise<Server> {
  const text: JsonObject = { type: 'string' }
  const listing = testListing([
    testTool('read', { path: text }),
    testTool('pay', { account: text, amount: { type: 'number' } }),
    testTool('file', { client: text }),
  ])
  const tools = [
    tool({ name: 'read', class: 'read', sinks: [{ path: 'path', kind: 'path' }] }),
    tool({
      name: 'pay',
      class: 'money',
      sinks: [
        { path: 'account', kind: 'account' },
        { path: 'amount', kind: 'amount' },
      ],
    }),
    tool({ name: 'file', consequential: true, sinks: [{ path: 'client', kind: 'id' }] }),
  ]
  return await reviewedTestServer({ name, listing, tools }, env)
}

/** What Alice asks of the agent, unless told otherwise: read and pay in `collect`, file in `draft`. */
export function testRequest(
  office: TestOffice,
  more: Partial<DelegateRequest> = {},
): DelegateRequest {
  const at = { type: 'mcp_call', locations: [office.location] }
  return {
    purpose: 'prepare the 2025 return of client 1042',
    delegate: { archetype: office.agent.archetype, agent: office.agent.id },
    details: [
      {
        ...at,
        actions: ['tools/call:read'],
        arguments: { read: { path: { prefix: '/clients/1042' } } },
        stages: ['collect'],
        limits: { calls: 10 },
      },
      {
        ...at,
        actions: ['tools/call:pay'],
        arguments: { pay: { account: { equals: 'DE02' }, amount: { sum: 100 } } },
      },
      {
        ...at,
        actions: ['tools/call:file'],
        arguments: { file: { client: { equals: '1042' } } },
        stages: ['draft'],
        approval: { by: office.partners.id },
      },
    ],
    stages: ['collect', 'draft'],
    lifetimeSeconds: 3_600,
    ...more,
  }
}

/** A delegation by Alice. */
export async function testDelegation(
  office: TestOffice,
  more: Partial<DelegateRequest> = {},
): Promise<Delegation> {
  return must(await delegate(testRequest(office, more), office.alice, office))
}

/** A template of a shop: one refund, of the order that is said in this way, up to an amount. */
export function refundTemplate(order: string, location = 'shop'): ScopeTemplate {
  return {
    name: 'refund',
    sentence: 'refund order {id} up to {amount}',
    details: [
      {
        type: 'mcp_call',
        locations: [location],
        actions: ['tools/call:refund'],
        arguments: { refund: { order: { equals: order }, amount: { max: '{amount}' } } },
        limits: { calls: 1 },
      },
    ],
  }
}

function tool(stated: Partial<ReviewedTool> & { readonly name: string }): ReviewedTool {
  return { class: 'write', sinks: [], consequential: false, ...stated }
}
