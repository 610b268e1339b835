/** `behalf login|logout|whoami|person|group`. */

import type { Command } from 'commander'
import { contextOf, forgetSession, keepSession } from './context.ts'
import { act, namesIn } from './act.ts'
import { attentionLine } from './attention-command.ts'
import { dateText, EXIT, examples, facts, print, refused, table } from './terminal.ts'
import { listOf } from './usage.ts'

/** Adds the commands about people. */
export function addPeopleCommands(program: Command): void {
  addSessionCommands(program)
  addPersonCommands(program)
  addGroupCommands(program)
}

function addSessionCommands(program: Command): void {
  program
    .command('login')
    .summary('sign in with a one-time code')
    .requiredOption('--code <code>', 'the one-time code')
    .addHelpText('after', examples('behalf login --code n5e9x-f3k1g-c515q-tkfxm'))
    .action(async (options: { code: string }, command: Command) => {
      const context = contextOf(command)
      const result = await context.client.call('signIn', { code: options.code })
      if (!result.ok) {
        process.exitCode = refused(context.terminal, result.error)
        return
      }
      keepSession(context.url, result.value.token)
      const { session } = result.value
      const waits = await contextOf(command).client.call('listAttention', {})
      const lines = [
        `signed in as ${session.handle} until ${dateText(session.expiresAt)}`,
        ...(waits.ok ? [attentionLine(waits.value)] : []),
      ].filter((line) => line !== '')
      print(context.terminal, result.value, lines.join('\n'))
      process.exitCode = EXIT.done
    })
  program
    .command('logout')
    .summary('end the session')
    .addHelpText('after', examples('behalf logout'))
    .action(
      act(
        'signOut',
        () => ({}),
        () => 'signed out',
        forgetSession,
      ),
    )
  program
    .command('whoami')
    .summary('who is signed in, and until when')
    .addHelpText('after', examples('behalf whoami', 'behalf whoami --json'))
    .action(act('showSession', () => ({}), facts))
}

function addPersonCommands(program: Command): void {
  const person = program.command('person').summary('people')
  person
    .command('create <handle>')
    .summary('add a person')
    .requiredOption('--name <name>', 'full name')
    .option('--email <email>', 'mail address')
    .addHelpText('after', examples('behalf person create alice --name "Alice Ames"'))
    .action(
      act(
        'createPerson',
        (handle, options) => ({
          handle,
          name: options['name'] ?? '',
          ...(options['email'] !== undefined && { email: options['email'] }),
        }),
        facts,
      ),
    )
  person
    .command('list')
    .summary('list people')
    .addHelpText('after', examples('behalf person list'))
    .action(
      act(
        'listPeople',
        () => ({}),
        ({ people }) =>
          table(
            ['handle', 'name', 'active', 'manager', 'id'],
            people.map((each) => [
              each.handle,
              each.name,
              each.active ? 'yes' : 'no',
              people.find(({ id }) => id === each.manager)?.handle ?? '',
              each.id,
            ]),
          ),
      ),
    )
  person
    .command('code <person>')
    .summary('issue a one-time sign-in code')
    .addHelpText('after', examples('behalf person code alice'))
    .action(
      act(
        'issueCode',
        (id) => ({ id }),
        ({ code, expiresAt }) => `${code}\nvalid once, until ${dateText(expiresAt)}`,
      ),
    )
  person
    .command('deactivate <person>')
    .summary('end a person’s sessions; what they delegated no longer stands')
    .option('--reason <text>', 'why')
    .addHelpText('after', examples('behalf person deactivate sam --reason "left the firm"'))
    .action(
      act(
        'deactivatePerson',
        (id, options) => ({
          id,
          ...(options['reason'] !== undefined && { reason: options['reason'] }),
        }),
        () => 'deactivated',
      ),
    )
  person
    .command('reactivate <person>')
    .summary('let a person sign in again')
    .addHelpText('after', examples('behalf person reactivate sam'))
    .action(
      act(
        'reactivatePerson',
        (id) => ({ id }),
        () => 'reactivated',
      ),
    )
  person
    .command('manager <person> [manager]')
    .summary('who answers when this person cannot; nobody if left out')
    .addHelpText(
      'after',
      examples('behalf person manager alice paul', 'behalf person manager paul'),
    )
    .action(
      act(
        'assignManager',
        (id, _options, manager) => ({ id, manager: manager ?? null }),
        () => 'assigned',
      ),
    )
}

function addGroupCommands(program: Command): void {
  const group = program.command('group').summary('groups and their rotations')
  group
    .command('create <name>')
    .summary('add a group')
    .addHelpText('after', examples('behalf group create partners'))
    .action(act('createGroup', (name) => ({ name }), facts))
  group
    .command('list')
    .summary('list groups with their members')
    .addHelpText('after', examples('behalf group list'))
    .action(
      act(
        'listGroups',
        () => ({}),
        async ({ groups }, context) => {
          const nameOf = await namesIn(context)
          return table(
            ['name', 'members', 'id'],
            groups.map(({ name, members, id }) => [name, members.map(nameOf).join(', '), id]),
          )
        },
      ),
    )
  group
    .command('add <group> <person>')
    .summary('add a member to a group')
    .addHelpText('after', examples('behalf group add partners paul'))
    .action(
      act(
        'addMember',
        (id, _options, member) => ({ id, person: member ?? '' }),
        () => 'added',
      ),
    )
  group
    .command('remove <group> <person>')
    .summary('remove a member from a group')
    .addHelpText('after', examples('behalf group remove partners paul'))
    .action(
      act(
        'removeMember',
        (id, _options, member) => ({ id, person: member ?? '' }),
        () => 'removed',
      ),
    )
  group
    .command('rotation <group>')
    .summary('who of the group answers when')
    .requiredOption('--members <people>', 'comma-separated, in order')
    .requiredOption('--start <datetime>', 'when the first shift begins, e.g. 2026-01-05T09:00')
    .option('--time-zone <zone>', 'IANA time zone', 'UTC')
    .option('--shift <duration>', 'ISO 8601 length of a shift', 'P7D')
    .addHelpText(
      'after',
      examples(
        'behalf group rotation partners --members paul,petra --start 2026-01-05T09:00 --time-zone Europe/Berlin',
      ),
    )
    .action(
      act(
        'setRotation',
        (id, options) => ({
          id,
          members: listOf(options['members'] ?? ''),
          start: options['start'] ?? '',
          timeZone: options['timeZone'] ?? 'UTC',
          shift: options['shift'] ?? 'P7D',
        }),
        () => 'set',
      ),
    )
}
