/** An installation in which clerks may use a counting server (`counting-server.ts`): `note`, and `file` with effect. */

import { addServer, must, signIn } from '../scripts/set-up.ts'
import type { Client } from '../src/client/client.ts'

/** Sets it up on a server that nobody uses yet; the administrator answers for the clerks. */
export async function openClerks(
  server: { readonly url: string; readonly code: string },
  counter: string,
): Promise<{ readonly administrator: Client; readonly session: string }> {
  const { client: administrator, session } = await signIn(server.url, server.code)
  await must(administrator, 'createArchetype', {
    name: 'clerk',
    description: 'Notes and files.',
    owner: 'administrator',
  })
  const all = '@id("all") permit (principal, action in Action::"use", resource);'
  await must(administrator, 'activatePolicies', { sets: { agent: all, person: all } })
  await addServer(
    administrator,
    { name: 'counter', title: 'Counter', transport: { type: 'http', url: counter } },
    [
      { name: 'note', class: 'write', consequential: false },
      { name: 'file', class: 'write', consequential: true },
    ],
  )
  return { administrator, session }
}
