/** An installation in which clerks may use a counting server (`counting-server.ts`): `note`, and `file` with effect. */

import type { Input, OperationName, Output } from '../src/api/operations.ts'
import { type Client, connect } from '../src/client/client.ts'

/** Sets it up on a server that nobody uses yet; the administrator answers for the clerks. */
export async function openClerks(
  server: { readonly url: string; readonly code: string },
  counter: string,
): Promise<{ readonly administrator: Client; readonly session: string }> {
  const { url } = server
  const { token: session } = await must(connect({ url }), 'signIn', { code: server.code })
  const administrator = connect({ url, session })
  await must(administrator, 'createArchetype', {
    name: 'clerk',
    description: 'Notes and files.',
    owner: 'administrator',
  })
  const all = '@id("all") permit (principal, action in Action::"use", resource);'
  await must(administrator, 'activatePolicies', { sets: { agent: all, person: all } })
  await must(administrator, 'registerServer', {
    name: 'counter',
    title: 'Counter',
    transport: { type: 'http', url: counter },
  })
  const { definitions } = await must(administrator, 'observeServer', { id: 'counter' })
  await must(administrator, 'reviewServer', {
    id: 'counter',
    tools: [
      { name: 'note', class: 'write', consequential: false },
      { name: 'file', class: 'write', consequential: true },
    ],
    digests: Object.fromEntries(definitions.map((d) => [`${d.kind}:${d.name}`, d.digest])),
  })
  return { administrator, session }
}

/** What an operation answers. */
export async function must<N extends OperationName>(
  client: Client,
  name: N,
  input: Input<N>,
): Promise<Output<N>> {
  const result = await client.call(name, input)
  if (result.ok) return result.value
  throw new Error(`\`${name}\` was refused: ${result.error.message}`)
}
