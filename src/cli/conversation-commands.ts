/** `behalf session …`: conversations of several people with one agent. */

import type { Command } from 'commander'
import type { Input, Output } from '../api/operations.ts'
import { act, namesIn, type Options } from './act.ts'
import type { Context } from './context.ts'
import { dateText, examples, EXIT, facts, table } from './terminal.ts'
import { listOf, oneOf, textIn, UsageError } from './usage.ts'

const ROLES = ['guest', 'member', 'lead'] as const
const ONLY = 'comma-separated people who alone may know of it'

/** Adds the commands of conversations. */
export function addConversationCommands(program: Command): void {
  const session = program
    .command('session')
    .summary('conversations of several people with one agent')
  addConvening(session)
  addSpeaking(session)
  addReading(session)
}

function addConvening(session: Command): void {
  session
    .command('create <delegation>')
    .summary('begin a conversation with the agent of a delegation of yours')
    .requiredOption('--topic <text>', 'what it is about')
    .addHelpText('after', examples('behalf session create dlg_… --topic "upstream issues"'))
    .action(
      act(
        'createConversation',
        (delegation, options) => ({ delegation, topic: options['topic'] ?? '' }),
        (made) => facts(made),
      ),
    )
  session
    .command('list')
    .summary('conversations that you take or took part in, newest first')
    .addHelpText('after', examples('behalf session list'))
    .action(
      act(
        'listConversations',
        () => ({}),
        async ({ conversations }, context) => {
          const nameOf = await namesIn(context)
          return table(
            ['id', 'owner', 'since', 'delegation'],
            conversations.map(({ id, owner, createdAt, delegation }) => [
              id,
              nameOf(owner),
              dateText(createdAt),
              delegation,
            ]),
          )
        },
      ),
    )
  session
    .command('invite <session> <member>')
    .summary('let a person or an agent take part, or give them another role')
    .option('--role <role>', 'guest: informs; member: directs; lead: also convenes', 'member')
    .addHelpText('after', examples('behalf session invite cnv_… bob --role guest'))
    .action(
      act(
        'inviteToConversation',
        (id, options, member) => ({
          id,
          member: member ?? '',
          role: oneOf(ROLES, options['role'] ?? 'member', '--role'),
        }),
        membersText,
      ),
    )
  session
    .command('remove <session> <member>')
    .summary('let somebody go; what they settled lapses, what they said stays')
    .addHelpText('after', examples('behalf session remove cnv_… bob'))
    .action(
      act(
        'removeFromConversation',
        (id, _options, member) => ({ id, member: member ?? '' }),
        membersText,
      ),
    )
}

function addSpeaking(session: Command): void {
  session
    .command('say <session> [text]')
    .summary('say something, settle something, show a document')
    .option('--set <key=value>', 'settle it for everybody, as far as your authority goes')
    .option('--mine <key=value>', 'settle it for yourself alone; nobody else sees it')
    .option('--document <file>', 'a text that informs and directs nothing')
    .option('--only <people>', ONLY)
    .addHelpText(
      'after',
      examples(
        'behalf session say cnv_… "get serious, summarize the upstream issues"',
        'behalf session say cnv_… --set style=serious',
        'behalf session say cnv_… --mine diet=vegan',
      ),
    )
    .action(act('sayInConversation', saidOf, saidText))
  session
    .command('quote <session> <message> [text]')
    .summary('repeat a message: its words stay those of its author, and direct nothing')
    .option('--only <people>', ONLY)
    .addHelpText('after', examples('behalf session quote cnv_… msg_… "is that still so?"'))
    .action(
      act(
        'sayInConversation',
        (id, options, message, text) => ({
          id,
          parts: [
            { kind: 'quoted', message: message ?? '' },
            ...(text === undefined ? [] : [{ kind: 'utterance' as const, text }]),
          ],
          ...onlyOf(options),
        }),
        saidText,
      ),
    )
  session
    .command('ask <session> <question>')
    .summary('ask: what a model is shown is what you may know, with who said it')
    .option('--model <name>', 'principal: the model that is served here; else messages for another')
    .option('--only <people>', ONLY)
    .addHelpText(
      'after',
      examples(
        'behalf session ask cnv_… "summarize the upstream issues"',
        'behalf session ask cnv_… "get style" --model principal',
      ),
    )
    .action(
      act(
        'askConversation',
        (id, options, question) => ({
          id,
          question: question ?? '',
          ...onlyOf(options),
          ...(options['model'] !== undefined && {
            model: oneOf(['principal'], options['model'], '--model'),
          }),
        }),
        turnText,
      ),
    )
}

function addReading(session: Command): void {
  session
    .command('show <session>')
    .summary('who takes part, what was said to you, what is settled and who said so')
    .addHelpText('after', examples('behalf session show cnv_…'))
    .action(act('showConversation', (id) => ({ id }), conversationText))
  session
    .command('verify <session>')
    .summary('compare it with the log, and make the envelopes of each turn again')
    .addHelpText('after', examples('behalf session verify cnv_…'))
    .action(
      act(
        'verifyConversation',
        (id) => ({ id }),
        ({ holds, events, erased, faults, turns }) =>
          [
            ...turns.map(
              ({ turn, entry, segments, envelopes, recomputed }) =>
                `${turn}  entry ${entry}  ${segments} segments  ${envelopes}  ` +
                (envelopes === recomputed ? 'as recorded' : `recomputed ${recomputed}`),
            ),
            ...faults,
            `${events} events, ${erased} erased: ${holds ? 'all as the log says' : 'NOT as the log says'}`,
          ].join('\n'),
        ({ holds }) => {
          if (!holds) process.exitCode = EXIT.refused
        },
      ),
    )
}

function saidOf(id: string, options: Options, text?: string): Input<'sayInConversation'> {
  const parts: Input<'sayInConversation'>['parts'] = [
    ...(text === undefined ? [] : [{ kind: 'utterance' as const, text }]),
    ...directiveOf('all', options['set']),
    ...directiveOf('mine', options['mine']),
    ...(options['document'] === undefined
      ? []
      : [
          {
            kind: 'data' as const,
            text: textIn(options['document'], 'document'),
            label: options['document'].slice(-200),
          },
        ]),
  ]
  if (parts.length === 0)
    throw new UsageError('expected a text, --set, --mine or --document, got nothing')
  return { id, parts, ...onlyOf(options) }
}

function directiveOf(
  scope: 'all' | 'mine',
  text: string | undefined,
): Input<'sayInConversation'>['parts'] {
  if (text === undefined) return []
  const [, key, value] = /^([^=]+)=(.+)$/u.exec(text) ?? []
  if (key === undefined || value === undefined)
    throw new UsageError(`expected a setting such as \`style=serious\`, got \`${text}\``)
  return [{ kind: 'directive', scope, key, value }]
}

function onlyOf(options: Options): { audience?: string[] } {
  return options['only'] === undefined ? {} : { audience: listOf(options['only']) }
}

async function membersText(
  { members }: Output<'inviteToConversation'>,
  context: Context,
): Promise<string> {
  const nameOf = await namesIn(context)
  return table(
    ['member', 'role'],
    members.map(({ member, role }) => [nameOf(member), role]),
  )
}

/** What became of a directive, for people. */
const OUTCOMES: Readonly<Record<Output<'sayInConversation'>['directives'][0]['outcome'], string>> =
  {
    in_effect: 'in effect',
    superseded: 'superseded: said otherwise later',
    outranked: 'recorded, not in effect: somebody of higher authority says otherwise',
    not_entitled: 'recorded, not in effect: its author does not direct others',
  }

function saidText({ message, entry, directives }: Output<'sayInConversation'>): string {
  return [
    `${message}  entry ${entry}`,
    ...directives.map(({ key, value, outcome }) => `${key}=${value}: ${OUTCOMES[outcome]}`),
  ].join('\n')
}

async function turnText(turn: Output<'askConversation'>, context: Context): Promise<string> {
  const nameOf = await namesIn(context)
  const { answer, messages, directing, settings } = turn
  const head = facts({
    turn: turn.turn,
    through: THROUGH[turn.through],
    envelopes: `${turn.envelopes} (${turn.segments} segments, entry ${turn.entry})`,
    directedBy: directing.map(nameOf).join(', '),
    settled: settings.map((one) => settingText(one, nameOf)).join('; '),
    answer: answer?.text,
    answerFor: answer?.audience.map(nameOf).join(', '),
  })
  return [head, ...messages.map(({ role, content }) => `\n${role}:\n${content}`)].join('\n')
}

const THROUGH = {
  channel: 'the principal channel: the model is told who spoke beside the text',
  messages: 'messages: the text alone says who spoke, in marks; policy carries the weight',
}

async function conversationText(
  conversation: Output<'showConversation'>,
  context: Context,
): Promise<string> {
  const nameOf = await namesIn(context)
  const { id, delegation, owner, members, messages, settings, directing } = conversation
  const told = facts({
    id,
    delegation,
    owner: nameOf(owner),
    members: members.map(({ member, role }) => `${nameOf(member)} (${role})`).join(', '),
    directedBy: directing.map(nameOf).join(', '),
  })
  const settled = table(
    ['key', 'value', 'for', 'said by', 'message'],
    settings.map(({ key, value, scope, author, message }) => [
      key,
      value,
      scope === 'all' ? 'everybody' : 'you',
      nameOf(author),
      message,
    ]),
  )
  const said = table(
    ['message', 'from', 'kind', 'of', 'text'],
    messages.flatMap(({ message, author, returned, spans }) =>
      spans.map(({ kind, author: of, text }) => [
        message,
        returned === undefined ? nameOf(author) : `server:${returned.server}`,
        kind,
        of === author && returned !== undefined ? returned.action : nameOf(of),
        text,
      ]),
    ),
  )
  return `${told}\n\nsettled:\n${settled}\n\nsaid:\n${said}`
}

function settingText(
  { key, value, author }: Output<'askConversation'>['settings'][0],
  nameOf: (id: string) => string,
): string {
  return `${key}=${value} (${nameOf(author)})`
}
