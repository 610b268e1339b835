/** Turns an operation of the API into the action of a command. */

import type { Command } from 'commander'
import type { Input, OperationName, Output } from '../api/operations.ts'
import { contextOf } from './context.ts'
import { EXIT, finish } from './terminal.ts'

/** The options of a command, as commander reads them; all of ours are text or lists of text. */
export type Options = Readonly<Record<string, string | undefined>>

/**
 * An action that calls `name` with what `input` makes of the arguments and prints what `text` makes of
 * the answer. `input` gets the first argument, the options, then the other arguments.
 */
export function act<N extends OperationName>(
  name: N,
  input: (first: string, options: Options, ...rest: readonly (string | undefined)[]) => Input<N>,
  text: (output: Output<N>) => string,
  then: () => void = () => undefined,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command
    const options = given.at(-2) as Options
    const [first = '', ...rest] = given.slice(0, -2) as (string | undefined)[]
    const { client, terminal } = contextOf(command)
    const status = finish(terminal, await client.call(name, input(first, options, ...rest)), text)
    if (status === EXIT.done) then()
    process.exitCode = status
  }
}
