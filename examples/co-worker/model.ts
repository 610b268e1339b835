/**
 * Where a language model would stand: from what it is told to the next step. This one understands one
 * sentence, `read <path>`, so that the example needs no provider and does the same at every run.
 *
 * What it gets is what any model would get: `messages` with roles, in which each part is an `instruction` or
 * `data`, and the settings that are in force.
 */

import type { Output } from '../../src/api/operations.ts'

/** What a tool said, or why it was not called. */
export interface Returned {
  readonly isError: boolean
  readonly text: string
}

/** What the model wants to do next. */
export type Step =
  | { readonly type: 'answer'; readonly text: string }
  | {
      readonly type: 'call'
      readonly call: { readonly name: string; readonly arguments: { readonly path: string } }
    }

/** The next step of a turn in which tools have `returned` so much. */
export function step(
  { messages, settings }: Pick<Output<'fetchTurn'>, 'messages' | 'settings'>,
  returned: readonly Returned[],
): Step {
  // The question is last. Data is never taken for an instruction, whatever it says.
  const asked = messages.at(-1)?.parts.filter(({ type }) => type === 'instruction') ?? []
  const path = /^read (\S+)$/u.exec(asked.map(({ text }) => text).join('\n'))?.[1]
  if (path === undefined) return { type: 'answer', text: 'I can read: read <path>' }
  const [result] = returned
  if (result === undefined)
    return { type: 'call', call: { name: 'papers__read_text_file', arguments: { path } } }
  const style = settings.find(({ key }) => key === 'style')?.value
  const text = result.isError ? `I may not: ${result.text}` : `It says: ${result.text.trim()}`
  return { type: 'answer', text: style === 'cupcakes' ? `${text} 🧁` : text }
}
