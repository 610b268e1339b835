/** `behalf turn …`: what an agent is asked in its conversation, as that agent. */

import type { Command } from 'commander'
import type { Output } from '../api/operations.ts'
import { connect } from '../client/client.ts'
import { asAgent, KEY_FILE } from './as-agent.ts'
import { dateText, examples, facts, finish, table } from './terminal.ts'

interface TurnOptions {
  readonly keyFile?: string
  readonly tensors?: boolean
}

const AS_AGENT = 'SPIFFE_ENDPOINT_SOCKET=unix:///… BEHALF_DELEGATION=eyJ… '

/** Adds the commands of turns. */
export function addTurnCommands(program: Command): void {
  const turn = program
    .command('turn')
    .summary(
      'as an agent, what it is asked: SPIFFE_ENDPOINT_SOCKET and BEHALF_DELEGATION say which',
    )
  turn
    .command('list')
    .summary('turns that wait for an answer, oldest first')
    .option('--key-file <file>', KEY_FILE)
    .addHelpText('after', examples(`${AS_AGENT}behalf turn list --key-file agent.pem`))
    .action(list)
  turn
    .command('show <turn>')
    .summary('what a model is told: messages with who said what, from the record')
    .option('--tensors', 'beside them the input of the model that this server knows')
    .option('--key-file <file>', KEY_FILE)
    .addHelpText('after', examples(`${AS_AGENT}behalf turn show trn_… --key-file agent.pem`))
    .action(show)
  turn
    .command('answer <turn> <text>')
    .summary('answer it: to those who may know all that it was shown')
    .option('--key-file <file>', KEY_FILE)
    .addHelpText('after', examples(`${AS_AGENT}behalf turn answer trn_… "box 1 is 84,310"`))
    .action(answer)
}

async function list(options: TurnOptions, command: Command): Promise<void> {
  await asAgent(command, options, async (access, { terminal, url }) => {
    const waiting = await connect({ url, fetch: access.fetch }).call('listTurns', {})
    process.exitCode = await finish(terminal, waiting, ({ turns }) =>
      table(
        ['turn', 'asked by', 'since', 'question'],
        turns.map(({ turn, asker, time, question }) => [turn, asker, dateText(time), question]),
      ),
    )
  })
}

async function show(turn: string, options: TurnOptions, command: Command): Promise<void> {
  await asAgent(command, options, async (access, { terminal, url }) => {
    const form = options.tensors === true ? 'tensors' : 'messages'
    const fetched = await connect({ url, fetch: access.fetch }).call('fetchTurn', { turn, form })
    process.exitCode = await finish(terminal, fetched, turnText)
  })
}

async function answer(
  turn: string,
  text: string,
  options: TurnOptions,
  command: Command,
): Promise<void> {
  await asAgent(command, options, async (access, { terminal, url }) => {
    const given = await connect({ url, fetch: access.fetch }).call('answerTurn', { turn, text })
    process.exitCode = await finish(terminal, given, ({ message, audience }) =>
      facts({ message, answerFor: audience.join(', ') }),
    )
  })
}

function turnText(fetched: Output<'fetchTurn'>): string {
  const { turn, conversation, asker, digest, entry, directing, tensors, messages } = fetched
  const head = facts({
    turn,
    conversation,
    askedBy: asker,
    envelopes: `${digest} (entry ${entry})`,
    directedBy: directing.join(', '),
    tensors: tensors && `${tensors.inputIds.length} tokens for ${tensors.model.name}`,
  })
  return [head, ...messages.map(({ role, content }) => `\n${role}:\n${content}`)].join('\n')
}
