/** Steps of setting an installation up over its API: for the demo, the scenarios and the benches. */

import type { Input, OperationName, Output } from '../src/api/operations.ts'
import { type Client, connect } from '../src/client/client.ts'

/** What an operation answers; throws when it is refused, as nothing that is set up here should be. */
export async function must<N extends OperationName>(
  client: Client,
  name: N,
  input: Input<N>,
): Promise<Output<N>> {
  const result = await client.call(name, input)
  if (result.ok) return result.value
  throw new Error(`\`${name}\` was refused: ${result.error.message}`)
}

/** Signs somebody in by a one-time code. */
export async function signIn(
  url: string,
  code: string,
): Promise<{ readonly client: Client; readonly session: string }> {
  const { token: session } = await must(connect({ url }), 'signIn', { code })
  return { client: connect({ url, session }), session }
}

/** Adds people, each in a group of their own, and yields a one-time code for each, by handle. */
export async function addStaff(
  administrator: Client,
  staff: readonly (readonly [handle: string, name: string, group: string])[],
): Promise<Map<string, string>> {
  const codes = new Map<string, string>()
  for (const [handle, name, group] of staff) {
    await must(administrator, 'createPerson', { handle, name })
    await must(administrator, 'createGroup', { name: group })
    await must(administrator, 'addMember', { id: group, person: handle })
    codes.set(handle, (await must(administrator, 'issueCode', { id: handle })).code)
  }
  return codes
}

/** What a reviewer says of a tool. */
export type ToolReview = Input<'reviewServer'>['tools'][number]

/** Registers a server and reviews it. */
export async function addServer(
  administrator: Client,
  server: Input<'registerServer'>,
  tools: readonly ToolReview[],
): Promise<void> {
  await must(administrator, 'registerServer', server)
  await reviewServer(administrator, server.name, tools)
}

/** What a reviewer does: looks at everything that the server offers, and accepts exactly that. */
export async function reviewServer(
  administrator: Client,
  id: string,
  tools: readonly ToolReview[],
): Promise<void> {
  const { definitions } = await must(administrator, 'observeServer', { id })
  const digests = Object.fromEntries(
    definitions.map((each) => [`${each.kind}:${each.name}`, each.digest]),
  )
  await must(administrator, 'reviewServer', { id, tools: [...tools], digests })
}
