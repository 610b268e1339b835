/** `behalf server draft`: a review file to start from, strict where nobody has judged yet. */

import { writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Input, Output } from '../api/operations.ts'
import { contextOf } from './context.ts'
import { finish } from './terminal.ts'

type Definition = Output<'observeServer'>['definitions'][number]
type ReviewFile = Pick<Input<'reviewServer'>, 'tools' | 'digests'>

/** Adds the command to `behalf server`. */
export function addDraftCommand(server: Command): void {
  server
    .command('draft <server> <file>')
    .summary('observe a server and write a review file to read, correct and accept')
    .addHelpText(
      'after',
      '\nEvery tool is drafted as `destructive` and consequential: lower a class only after you have read the\ntool, name its sinks, and remove what nobody should call.\n\nExample:\n  behalf server draft documents review.json\n  behalf server review documents --file review.json\n',
    )
    .action(async (id: string, file: string, _options: object, command: Command) => {
      const { client, terminal } = contextOf(command)
      const observed = await client.call('observeServer', { id })
      if (observed.ok) {
        const draft = draftReview(observed.value.definitions)
        writeFileSync(file, `${JSON.stringify(draft, undefined, 2)}\n`, { flag: 'wx' })
      }
      process.exitCode = await finish(terminal, observed, ({ definitions }) => {
        const tools = definitions.filter(({ kind }) => kind === 'tool').length
        return `${file}: ${tools} tools, ${definitions.length} definitions\nread and correct it, then: behalf server review ${id} --file ${file}`
      })
    })
}

/** INVARIANT (pinned definitions): the digests are of what was observed; the classes are for a person to lower. */
export function draftReview(definitions: readonly Definition[]): ReviewFile {
  const tools = definitions.filter(({ kind }) => kind === 'tool')
  return {
    tools: tools.map(({ name }) => ({
      name,
      class: 'destructive',
      consequential: true,
      sinks: [],
    })),
    digests: Object.fromEntries(
      definitions.map(({ kind, name, digest }) => [`${kind}:${name}`, digest]),
    ),
  }
}
