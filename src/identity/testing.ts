/**
 * What tests of rooms that need agents start from (`openTestIdentity`, `testAgent`), and a Workload API
 * client (`workloadClient`) that is real gRPC over the real socket.
 */

import type { TestContext } from 'node:test'
import { Client, type ClientReadableStream, credentials, Metadata } from '@grpc/grpc-js'
import type { Accountable } from '../audit/entry.ts'
import { openTestLog, testActor, type TestLog } from '../audit/testing.ts'
import { type Diagnostics, silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import type { Keyring } from '../keys/keyring.ts'
import { testKeyring } from '../keys/testing.ts'
import type { Migration } from '../store/store.ts'
import type { Agent, AgentId } from './agent.ts'
import { findArchetype } from './agent-store.ts'
import { createAgent, createArchetype } from './create-agent.ts'
import { migrations } from './migrations.ts'
import { parseTrustDomain, type TrustDomain } from './spiffe-id.ts'
import {
  type JwtBundlesResponse,
  type JwtSvidRequest,
  type JwtSvidResponse,
  type ValidateJwtSvidRequest,
  type ValidateJwtSvidResponse,
  workloadService,
  type X509BundlesResponse,
  type X509SvidResponse,
} from './workload-messages.ts'

/** Everything that the functions of this folder take as `env`. */
export interface TestIdentity extends TestLog {
  readonly keyring: Keyring
  readonly trustDomain: TrustDomain
  readonly diagnostics: Diagnostics
}

/** An empty trust domain `acme.example` with a database of its own; it ends with the test. */
export async function openTestIdentity(
  t: TestContext,
  more: readonly Migration[] = [],
): Promise<TestIdentity> {
  const log = await openTestLog(t, [...migrations, ...more])
  return {
    ...log,
    keyring: testKeyring(log),
    trustDomain: must(parseTrustDomain('acme.example')),
    diagnostics: silentDiagnostics,
  }
}

/** Somebody who answers for an agent. */
export const testAccountable: Accountable = {
  person: 'per_00000000000000000000000000',
  name: 'Paul',
  path: [{ via: 'agent', subject: 'per_00000000000000000000000000' }],
}

/** A new agent; its archetype is made if need be. */
export async function testAgent(
  env: Pick<TestIdentity, 'store' | 'clock' | 'random' | 'trustDomain'>,
  {
    archetype = 'tax-preparer',
    selectors = [],
    parent,
  }: { archetype?: string; selectors?: readonly string[]; parent?: AgentId } = {},
): Promise<Agent> {
  if ((await env.store.snapshot((tx) => findArchetype(tx, archetype))) === undefined) {
    must(await createArchetype({ name: archetype, description: 'made by a test' }, testActor, env))
  }
  const request = { archetype, selectors, ...(parent === undefined ? {} : { parent }) }
  return must(await createAgent(request, testActor, testAccountable, env))
}

/** An installation with one agent. */
export interface TestAgent {
  readonly env: TestIdentity
  readonly agent: Agent
}

/** Opens it; it ends with the test. */
export async function openTestAgent(t: TestContext): Promise<TestAgent> {
  const env = await openTestIdentity(t)
  return { env, agent: await testAgent(env) }
}

/** The messages of a stream, one after the other; `next` throws what the stream ended with. */
export interface Messages<T> {
  next(): Promise<T>
}

/** Speaks to a Workload API as any workload does. Refusals are thrown as gRPC's `ServiceError`. */
export interface WorkloadClient {
  fetchX509Svid(): Messages<X509SvidResponse>
  fetchX509Bundles(): Messages<X509BundlesResponse>
  fetchJwtBundles(): Messages<JwtBundlesResponse>
  fetchJwtSvid(request: Partial<JwtSvidRequest>): Promise<JwtSvidResponse>
  validateJwtSvid(request: Partial<ValidateJwtSvidRequest>): Promise<ValidateJwtSvidResponse>
  close(): void
}

/** A client of the socket at `path`; `header` replaces the metadata that the specification demands. */
export function workloadClient(
  path: string,
  header: Readonly<Record<string, string>> = { 'workload.spiffe.io': 'true' },
): WorkloadClient {
  const client = new Client(`unix:${path}`, credentials.createInsecure())
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(header)) metadata.set(name, value)

  const stream = <T>(name: string): Messages<T> => {
    const { path: route, requestSerialize, responseDeserialize } = methodOf(name)
    const receive = responseDeserialize as (bytes: Buffer) => T
    return messagesOf(
      client.makeServerStreamRequest(route, requestSerialize, receive, {}, metadata),
    )
  }
  const ask = async <T>(name: string, request: object): Promise<T> => {
    const { path: route, requestSerialize, responseDeserialize } = methodOf(name)
    const receive = responseDeserialize as (bytes: Buffer) => T
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    client.makeUnaryRequest(route, requestSerialize, receive, request, metadata, (error, answer) =>
      answer === undefined ? reject(error ?? new Error('expected an answer')) : resolve(answer),
    )
    return await promise
  }
  return {
    fetchX509Svid: () => stream('FetchX509SVID'),
    fetchX509Bundles: () => stream('FetchX509Bundles'),
    fetchJwtBundles: () => stream('FetchJWTBundles'),
    fetchJwtSvid: async (request) => await ask('FetchJWTSVID', request),
    validateJwtSvid: async (request) => await ask('ValidateJWTSVID', request),
    close: () => client.close(),
  }
}

function messagesOf<T>(stream: ClientReadableStream<T>): Messages<T> {
  const ended = new Promise<never>((_, reject) => stream.once('error', reject))
  ended.catch(() => undefined)
  const messages = stream[Symbol.asyncIterator]()
  return {
    next: async () => {
      const { value, done } = await messages.next()
      // gRPC ends the messages before it says why.
      return done === true ? await ended : (value as T)
    },
  }
}

function methodOf(name: string): ReturnType<typeof workloadService>[string] {
  const method = workloadService()[name]
  if (method === undefined) throw new Error(`expected a method \`${name}\``)
  return method
}
