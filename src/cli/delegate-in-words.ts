/**
 * `behalf delegate --servers`: from the words of a purpose to a delegation, with a look in between.
 *
 * Without `--accept` the proposal is shown, part by part and in plain words, and nothing is delegated. With it,
 * exactly what was shown under that digest is: terms, parts and limits. Between the two a server may have
 * been reviewed or a template changed; then there is another proposal to look at.
 */

import type { Command } from 'commander'
import type { Input, Output } from '../api/operations.ts'
import { digestOfJson } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import { namesIn, type Options } from './act.ts'
import { type Context, contextOf } from './context.ts'
import { EXIT, finish, print, refused } from './terminal.ts'
import { listOf, UsageError, wholeNumber } from './usage.ts'

type Terms = Omit<Input<'delegate'>, 'details'>
type Proposal = Output<'proposeScope'>

/** Shows what the purpose asks for, or delegates what was shown and accepted. */
export async function delegateInWords(
  terms: Terms,
  options: Options,
  command: Command,
  text: (made: Output<'delegate'>, context: Context) => Promise<string>,
): Promise<void> {
  const context = contextOf(command)
  const { terminal, client } = context
  const { servers = '', approver, accept, rulesOnly } = options
  const proposed = await client.call('proposeScope', {
    words: terms.purpose,
    servers: listOf(servers),
    archetype: terms.archetype,
    ...(approver !== undefined && { approver }),
    ...(rulesOnly !== undefined && { rulesOnly: true }),
    ...(options['set'] !== undefined && { values: valuesIn(options['set']) }),
  })
  if (!proposed.ok) {
    process.exitCode = refused(terminal, proposed.error)
    return
  }
  const parts = narrowed(proposed.value, options)
  const wanted = { ...terms, details: parts.map(({ detail }) => detail) }
  const digest = digestOfJson(wanted)
  if (accept === undefined) {
    const { by, template, model, suggested } = proposed.value
    const shown = {
      ...wanted,
      sentences: parts.map(({ sentence }) => sentence),
      digest,
      by,
      ...(template !== undefined && { template }),
      ...(model !== undefined && { model }),
      ...(suggested !== undefined && { suggested }),
    }
    print(terminal, shown, await proposalText(proposed.value, { parts, digest }, context))
    process.exitCode = EXIT.done
    return
  }
  if (accept !== digest)
    throw new UsageError('expected the digest of this proposal: look at it again, without --accept')
  const { proposal } = proposed.value
  const made = await client.call('delegate', {
    ...wanted,
    ...(proposal !== undefined && { proposal }),
  })
  process.exitCode = await finish(terminal, made, (output) => text(output, context))
}

interface Part {
  /** As it was proposed, from 1. */
  readonly number: number
  readonly detail: Proposal['details'][number]
  readonly sentence: string
}

/** The parts that are left, each with the limit that was asked for. */
function narrowed({ details, sentences }: Proposal, { without = '', calls }: Options): Part[] {
  const left = listOf(without).map((one) => wholeNumber(one, 'parts'))
  const unknown = left.find((number) => number < 1 || number > details.length)
  if (unknown !== undefined)
    throw new UsageError(`expected parts from 1 to ${details.length}, got \`${unknown}\``)
  const most = calls === undefined ? undefined : wholeNumber(calls, '--calls')
  const parts = details.flatMap((detail, at): Part[] => {
    if (left.includes(at + 1)) return []
    const part = { number: at + 1, sentence: sentences[at] ?? '' }
    if (most === undefined) return [{ ...part, detail }]
    const stated = (detail['limits'] ?? {}) as JsonObject
    // Narrower only: what a template allows less of stays so.
    const fewest = Math.min(most, Number(stated['calls'] ?? most))
    const sentence = `${part.sentence}, at most ${fewest} calls`
    return [{ ...part, sentence, detail: { ...detail, limits: { ...stated, calls: fewest } } }]
  })
  if (parts.length > 0) return parts
  throw new UsageError('expected at least one part to be left')
}

/** `id=17,amount=30`: what a person says of parameters themselves. */
function valuesIn(text: string): Record<string, string> {
  const pairs = listOf(text).map((pair) => pair.split(/=(.*)/s))
  if (pairs.some(([name = '', value = '']) => name === '' || value === ''))
    throw new UsageError('expected --set to be comma-separated: amount=30,id=17')
  return Object.fromEntries(pairs.map(([name = '', value = '']) => [name, value]))
}

async function proposalText(
  proposed: Proposal,
  { parts, digest }: { readonly parts: readonly Part[]; readonly digest: string },
  context: Context,
): Promise<string> {
  const nameOf = await namesIn(context)
  const named = (sentence: string): string =>
    sentence.replaceAll(/\b(?:per|grp)_[0-9a-z]{26}\b/g, (id) => nameOf(id))
  return [
    `by ${wayOf(proposed)}, the agent`,
    ...parts.map(({ number, sentence }) => `  ${number}  ${named(sentence)}`),
    ...suggestion(proposed).map(named),
    '',
    'nothing is delegated yet; leave parts out with --without, or delegate exactly this with',
    `  --accept ${digest}`,
  ].join('\n')
}

function wayOf({ by, template, model }: Proposal): string {
  if (by === 'words') return 'the words'
  if (by === 'template') return `the template ${template}`
  return `the template ${template}, which the model ${model?.name} proposed`
}

/** What a model that was asked came to, where the proposal is not by it. */
function suggestion({ by, model, suggested }: Proposal): string[] {
  if (by === 'model' || model === undefined) return []
  if (suggested === undefined)
    return ['', `the model ${model.name} was asked too, and nothing of it is here: ${model.why}`]
  const unsaid = suggested.values.filter(({ said }) => !said)
  return [
    '',
    `the model ${model.name} suggests the template ${suggested.template}, and nothing of it is above:`,
    ...suggested.sentences.map((sentence) => `  ${sentence}`),
    ...unsaid.map(({ name, value }) => `  ${name} is not in your words: ${JSON.stringify(value)}`),
    `if that is meant, say it yourself: --set ${unsaid.map(({ name }) => `${name}=…`).join(',')}`,
  ]
}
