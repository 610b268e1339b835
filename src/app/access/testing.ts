/** A scene for tests of the access evaluation API, and a way to post to it. */

import type { TestContext } from 'node:test'
import type { Json, JsonObject } from '../../base/canonical-json.ts'
import { signInTestPerson } from '../../people/testing.ts'
import type { Delegation } from '../../delegation/delegation.ts'
import { testDelegation } from '../../delegation/testing.ts'
import {
  openTestGateways,
  type TestCaller,
  testCaller,
  type TestGateway,
  type TestGateways,
} from '../../gateway/testing.ts'
import { administrationResource } from '../../token/resource.ts'
import type { Installation } from '../installation.ts'
import { accessRoutes } from './endpoint.ts'

/** What a test begins with. */
export interface Scene {
  readonly office: TestGateways
  readonly gateway: TestGateway
  readonly delegation: Delegation
  readonly caller: TestCaller
  readonly alice: string
  readonly sam: string
  readonly ada: string
}

/** Alice delegated reading below /clients/1042, and paying; the policies permit both. */
export async function openScene(t: TestContext): Promise<Scene> {
  const office = await openTestGateways(t)
  const delegation = await testDelegation(office, {
    delegate: { archetype: office.agent.archetype, agent: office.agent.id },
    details: [
      {
        type: 'mcp_call',
        locations: [office.location],
        actions: ['tools/call:read'],
        arguments: { read: { path: { prefix: '/clients/1042' } } },
      },
    ],
  })
  const token = async (handle: string): Promise<string> =>
    (await signInTestPerson(handle, office)).token
  return {
    office,
    gateway: await office.open(),
    delegation,
    caller: testCaller(office.agent, delegation, office),
    alice: await token('alice'),
    sam: await token('sam'),
    ada: await token('ada'),
  }
}

/** An answer, read. */
export interface Answer {
  readonly status: number
  readonly body: JsonObject
  readonly headers: Readonly<Record<string, unknown>>
}

/** Posts to a route as the server would hand it over. */
export async function post(
  scene: Scene,
  path: string,
  body: Json | string,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const env = scene.gateway.env as unknown as Installation
  const route = accessRoutes(env).find((one) => one.path === path)
  const sent: Record<string, string> = { 'content-type': 'application/json', ...headers }
  const answer = await route?.handle({
    method: 'POST',
    path,
    query: new URLSearchParams(),
    parameters: {},
    headers: sent,
    times: (name) => (sent[name] === undefined ? 0 : 1),
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    signal: new AbortController().signal,
  })
  return {
    status: answer?.status ?? 0,
    body: JSON.parse(String(answer?.body ?? '{}')) as JsonObject,
    headers: answer?.headers ?? {},
  }
}

/** Where one question is asked. */
export const EVALUATION = '/access/v1/evaluation'
/** The header of a session. */
export const bearer = (token: string): { authorization: string } => ({
  authorization: `Bearer ${token}`,
})

/** Whether the agent may read a file of the delegation. */
export function question(scene: Scene, path = '/clients/1042/w2.txt'): JsonObject {
  return {
    subject: { type: 'agent', id: scene.office.agent.id },
    action: { name: 'tools/call' },
    resource: { type: 'tool', id: 'documents/read' },
    context: { delegation: scene.delegation.id, arguments: { path } },
  }
}

/** Posts as the agent, with its token and a proof for this address. */
export async function byAgent(scene: Scene, body: Json, path = EVALUATION): Promise<Answer> {
  const { office, caller, gateway } = scene
  const token = await caller.token(gateway, administrationResource(office.issuer))
  return await post(scene, path, body, {
    authorization: `DPoP ${token}`,
    dpop: await caller.holder.prove('POST', `${office.issuer}${path}`, token),
  })
}
