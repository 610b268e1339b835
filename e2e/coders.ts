/** An installation in which coders, for whom Paul answers, may use whatever is reviewed, for everybody. */

import { must, signIn } from '../scripts/set-up.ts'
import type { Client } from '../src/client/client.ts'

/** Sets it up on a server that nobody uses yet. */
export async function openCoders(server: {
  readonly url: string
  readonly code?: string
}): Promise<{ readonly administrator: Client; readonly session: string }> {
  const { client: administrator, session } = await signIn(server.url, server.code ?? '')
  await must(administrator, 'createPerson', { handle: 'paul', name: 'Paul Okri' })
  await must(administrator, 'createArchetype', { name: 'coder', description: '', owner: 'paul' })
  const use = 'action in Action::"use", resource'
  await must(administrator, 'activatePolicies', {
    sets: {
      agent: `@id("coders") permit (principal in Archetype::"coder", ${use});`,
      person: `@id("everybody") permit (principal, ${use});`,
    },
  })
  return { administrator, session }
}
