/** The server `documents`, of which a reviewer chose the tool `read`: for the tests of this room. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Result } from '../base/result.ts'
import type { Listing } from './definition.ts'
import { observeListing } from './observe.ts'
import { reviewServer, type ReviewRequest } from './review.ts'
import { loadServer } from './server-store.ts'
import type { ReviewedTool, Server } from './server.ts'
import {
  digestsOf,
  openTestRegistry,
  reviewedTestServer,
  testListing,
  testReviewer,
  testTool,
  type TestRegistry,
} from './testing.ts'

/** What a reviewer says of `read`. */
export const readTool: ReviewedTool = {
  name: 'read',
  class: 'read',
  sinks: [{ path: 'path', kind: 'path' }],
  consequential: false,
}
/** A tool that is reviewed. */
export const read = testTool('read', { path: { type: 'string' } })
/** A tool that nobody chose. */
export const write = testTool('write', { path: { type: 'string' }, text: { type: 'string' } })
/** All that it offers. */
export const listing = testListing([read, write], {
  prompts: [{ name: 'summarise' }],
  resources: [{ name: 'Graph', uri: 'memory://graph' }],
  resourceTemplates: [{ name: 'Note', uriTemplate: 'memory://notes/{id}' }],
  instructions: 'read before you write',
})

/** A program with limits and egress of its own. */
export const confined = {
  type: 'stdio',
  command: 'true',
  args: [],
  limits: { memoryBytes: 268_435_456, processes: 32 },
  egress: [{ host: 'api.example.com', inject: { credential: 'office' } }, { host: '10.0.0.7' }],
} as const

/** A registry in which it was reviewed. */
export async function openTestDocuments(
  t: TestContext,
): Promise<{ env: TestRegistry; server: Server }> {
  const env = await openTestRegistry(t)
  const server = await reviewedTestServer({ name: 'documents', listing, tools: [readTool] }, env)
  return { env, server }
}

/** Reviews it with the digests of `seen`, changed as the test wants. */
export async function reviewDocuments(
  env: TestRegistry,
  change: Partial<ReviewRequest>,
  seen: Listing = listing,
): ReturnType<typeof reviewServer> {
  const observed = await observeListing('documents', seen, env)
  const digests = observed.ok ? digestsOf(observed.value.definitions) : {}
  return await reviewServer(
    { server: 'documents', tools: [readTool], digests, ...change },
    testReviewer,
    env,
  )
}

/** It, as it is used now. */
export async function loadDocuments(env: TestRegistry): Promise<Server | undefined> {
  return await env.store.snapshot((tx) => loadServer(tx, 'documents', env))
}

/** Why it was refused; a failure where it was not. */
export function reasonOf(result: Result<unknown>): string {
  assert.equal(result.ok, false)
  return result.ok ? '' : result.error.reason
}
