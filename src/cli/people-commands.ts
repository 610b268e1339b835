/** `behalf login|logout|whoami|person|group`. */

import type { Command } from 'commander'
import { contextOf, forgetSession, keepSession } from './context.ts'
import { act } from './act.ts'
import { EXIT, facts, print, refused, table } from './terminal.ts'

/** Adds the commands about people. */
export function addPeopleCommands(program: Command): void {
  program
    .command('login')
    .summary('sign in with a one-time code')
    .requiredOption('--code <code>', 'the one-time code')
    .addHelpText('after', '\nExample:\n  behalf login --code 3k9x-…\n')
    .action(async (options: { code: string }, command: Command) => {
      const context = contextOf(command)
      const result = await context.client.call('signIn', { code: options.code })
      if (!result.ok) {
        process.exitCode = refused(context.terminal, result.error)
        return
      }
      keepSession(context.url, result.value.token)
      const { session } = result.value
      print(
        context.terminal,
        context.terminal.json ? result.value : session,
        `signed in as ${session.handle} until ${new Date(session.expiresAt * 1000).toISOString()}`,
      )
      process.exitCode = EXIT.done
    })
  program
    .command('logout')
    .summary('end the session')
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
    .summary('who is signed in')
    .action(act('showSession', () => ({}), facts))

  const person = program.command('person').summary('people')
  person
    .command('create <handle>')
    .requiredOption('--name <name>', 'full name')
    .option('--email <email>', 'mail address')
    .addHelpText('after', '\nExample:\n  behalf person create alice --name "Alice Ames"\n')
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
  person.command('list').action(
    act(
      'listPeople',
      () => ({}),
      ({ people }) =>
        table(
          ['handle', 'name', 'active', 'id'],
          people.map((p) => [p.handle, p.name, p.active ? 'yes' : 'no', p.id]),
        ),
    ),
  )
  person
    .command('code <person>')
    .summary('issue a one-time sign-in code')
    .action(
      act(
        'issueCode',
        (id) => ({ id }),
        ({ code, expiresAt }) => `${code}\nvalid until ${new Date(expiresAt).toISOString()}, once`,
      ),
    )
  person
    .command('deactivate <person>')
    .option('--reason <text>', 'why')
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
  person.command('reactivate <person>').action(
    act(
      'reactivatePerson',
      (id) => ({ id }),
      () => 'reactivated',
    ),
  )
  person
    .command('manager <person> [manager]')
    .summary('who answers when this person cannot')
    .action(
      act(
        'assignManager',
        (id, _options, manager) => ({ id, manager: manager ?? null }),
        () => 'assigned',
      ),
    )

  const group = program.command('group').summary('groups and their rotations')
  group.command('create <name>').action(act('createGroup', (name) => ({ name }), facts))
  group.command('list').action(
    act(
      'listGroups',
      () => ({}),
      ({ groups }) =>
        table(
          ['name', 'members', 'id'],
          groups.map((g) => [g.name, g.members.join(' '), g.id]),
        ),
    ),
  )
  group.command('add <group> <person>').action(
    act(
      'addMember',
      (id, _options, member) => ({ id, person: member ?? '' }),
      () => 'added',
    ),
  )
  group.command('remove <group> <person>').action(
    act(
      'removeMember',
      (id, _options, member) => ({ id, person: member ?? '' }),
      () => 'removed',
    ),
  )
  group
    .command('rotation <group>')
    .summary('who of the group answers when')
    .requiredOption('--members <handles>', 'comma-separated, in order')
    .requiredOption('--start <datetime>', 'when the first shift begins, e.g. 2026-01-05T09:00')
    .option('--time-zone <zone>', 'IANA time zone', 'UTC')
    .option('--shift <duration>', 'ISO 8601 length of a shift', 'P7D')
    .addHelpText(
      'after',
      '\nExample:\n  behalf group rotation partners --members paul,petra --start 2026-01-05T09:00 --time-zone Europe/Berlin\n',
    )
    .action(
      act(
        'setRotation',
        (id, options) => ({
          id,
          members: (options['members'] ?? '').split(','),
          start: options['start'] ?? '',
          timeZone: options['timeZone'] ?? 'UTC',
          shift: options['shift'] ?? 'P7D',
        }),
        () => 'set',
      ),
    )
}
