/** A registry on a log of its own, and a server that somebody reviewed. For tests of every room. */

import type { TestContext } from 'node:test'
import { openTestLog, type TestLog } from '../audit/testing.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import type { Keyring } from '../keys/keyring.ts'
import { testKeyring } from '../keys/testing.ts'
import type { Session } from '../people/session.ts'
import type { Migration } from '../store/store.ts'
import type { Listing } from './definition.ts'
import { migrations } from './migrations.ts'
import { observeListing } from './observe.ts'
import { registerServer } from './register.ts'
import { reviewServer } from './review.ts'
import { type Definition, definitionKey, type ReviewedTool, type Server } from './server.ts'

/** What registry functions need, in memory where it can be. */
export interface TestRegistry extends TestLog {
  readonly keyring: Keyring
  readonly masterKey: Uint8Array
  readonly issuer: string
}

/** An empty registry; it ends with the test. */
export async function openTestRegistry(
  t: TestContext,
  more: readonly Migration[] = [],
): Promise<TestRegistry> {
  const log = await openTestLog(t, [...migrations, ...more])
  const masterKey = log.random.bytes(32)
  return { ...log, masterKey, keyring: testKeyring(log), issuer: 'http://127.0.0.1:8787' }
}

/** A signed-in person whom no table knows. */
export const testReviewer: Session = {
  id: 'ses_01kxtest000000000000000000',
  person: 'per_01kxtest000000000000000000',
  handle: 'rita',
  presence: 'session',
  authTime: 1_767_225_600,
  expiresAt: 1_767_268_800,
  acr: 'urn:behalf:acr:code',
}

/** A tool's definition. */
export function testTool(name: string, properties: JsonObject, more: JsonObject = {}): JsonObject {
  const inputSchema = { type: 'object', properties, required: Object.keys(properties) }
  return { name, description: `does ${name}`, inputSchema, ...more }
}

/** A listing of tools and whatever else is named. */
export function testListing(tools: readonly JsonObject[], more: Partial<Listing> = {}): Listing {
  return { tools, prompts: [], resources: [], resourceTemplates: [], ...more }
}

/** Registers, observes and reviews a server. */
export async function reviewedTestServer(
  request: { name: string; listing: Listing; tools: readonly ReviewedTool[] },
  env: TestRegistry,
): Promise<Server> {
  const { name, listing, tools } = request
  const transport = { type: 'stdio', command: 'true', args: [] }
  must(await registerServer({ name, title: name, transport }, testReviewer, env))
  const observed = must(await observeListing(name, listing, env))
  const digests = digestsOf(observed.definitions)
  return must(await reviewServer({ server: name, tools, digests }, testReviewer, env))
}

/** What a reviewer who saw these definitions accepts. */
export function digestsOf(definitions: Iterable<Definition>): Record<string, string> {
  return Object.fromEntries(
    Array.from(definitions, ({ kind, name, digest }) => [definitionKey(kind, name), digest]),
  )
}
