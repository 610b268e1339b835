/** Turns an operation of the API into the action of a command. */

import type { Command } from 'commander'
import type { Input, OperationName, Output } from '../api/operations.ts'
import { type Context, contextOf } from './context.ts'
import { finish } from './terminal.ts'

/** The options of a command, as commander reads them; all of ours are text or lists of text. */
export type Options = Readonly<Record<string, string | undefined>>

/**
 * An action that calls `name` with what `input` makes of the arguments and prints what `text` makes of
 * the answer. `input` gets the first argument, the options, then the other arguments; `then` sees what was
 * printed, and may end in another status.
 */
export function act<N extends OperationName>(
  name: N,
  input: (first: string, options: Options, ...rest: readonly (string | undefined)[]) => Input<N>,
  text: (output: Output<N>, context: Context) => string | Promise<string>,
  then: (output: Output<N>) => void = () => undefined,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command
    const options = given.at(-2) as Options
    const [first = '', ...rest] = given.slice(0, -2) as (string | undefined)[]
    const context = contextOf(command)
    const answer = await context.client.call(name, input(first, options, ...rest))
    process.exitCode = await finish(context.terminal, answer, (output) => text(output, context))
    if (answer.ok) then(answer.value)
  }
}

/** What people call people and groups, for those whose identifier stands in an answer. */
export async function namesIn({ client }: Context): Promise<(id: string) => string> {
  const [people, groups] = [
    await client.call('listPeople', {}),
    await client.call('listGroups', {}),
  ]
  const names = new Map<string, string>([
    ...(people.ok ? people.value.people.map(({ id, handle }) => [id, handle] as const) : []),
    ...(groups.ok ? groups.value.groups.map(({ id, name }) => [id, name] as const) : []),
  ])
  return (id) => names.get(id) ?? id
}
