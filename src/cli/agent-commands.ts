/** `behalf archetype|agent|owner`. */

import type { Command } from 'commander'
import { act } from './act.ts'
import { facts, table } from './terminal.ts'

/** Adds the commands about agents and who owns them. */
export function addAgentCommands(program: Command): void {
  const archetype = program.command('archetype').summary('kinds of agents; policy attaches to them')
  archetype
    .command('create <name>')
    .requiredOption('--owner <person-or-group>', 'who answers for its agents')
    .option('--description <text>', 'what it is for', '')
    .addHelpText('after', '\nExample:\n  behalf archetype create tax-preparer --owner partners\n')
    .action(
      act(
        'createArchetype',
        (name, options) => ({
          name,
          description: options['description'] ?? '',
          owner: options['owner'] ?? '',
        }),
        facts,
      ),
    )
  archetype.command('list').action(
    act(
      'listArchetypes',
      () => ({}),
      ({ archetypes }) =>
        table(
          ['name', 'owner', 'description'],
          archetypes.map((a) => [a.name, a.owner ?? '', a.description]),
        ),
    ),
  )

  const agent = program.command('agent').summary('agents: one cohesive context window each')
  agent
    .command('create')
    .summary('bring an agent to life with a Workload API socket of its own')
    .requiredOption('--archetype <name>', 'what kind of agent it is')
    .option('--parent <agent>', 'the agent that started it')
    .option(
      '--selector <selectors>',
      'comma-separated, what its process must be; by default your own user id',
    )
    .addHelpText(
      'after',
      '\nExample:\n  behalf agent create --archetype tax-preparer --selector unix:uid:1000\n',
    )
    .action(
      act(
        'createAgent',
        (_, options) => ({
          archetype: options['archetype'] ?? '',
          ...(options['parent'] !== undefined && { parent: options['parent'] }),
          ...(options['selector'] !== undefined && { selectors: options['selector'].split(',') }),
        }),
        facts,
      ),
    )
  agent
    .command('list')
    .option('--archetype <name>', 'only of this kind')
    .action(
      act(
        'listAgents',
        (_, options) =>
          options['archetype'] === undefined ? {} : { archetype: options['archetype'] },
        ({ agents }) =>
          table(
            ['id', 'archetype', 'state'],
            agents.map((a) => [a.id, a.archetype, a.state]),
          ),
      ),
    )
  agent.command('show <agent>').action(act('showAgent', (id) => ({ id }), facts))
  agent
    .command('suspend <agent>')
    .requiredOption('--reason <text>', 'why')
    .action(
      act(
        'suspendAgent',
        (id, options) => ({ id, reason: options['reason'] ?? '' }),
        () => 'suspended',
      ),
    )
  agent.command('resume <agent>').action(
    act(
      'resumeAgent',
      (id) => ({ id }),
      () => 'resumed',
    ),
  )
  agent.command('end <agent>').action(
    act(
      'endAgent',
      (id) => ({ id }),
      () => 'ended',
    ),
  )

  program
    .command('owner <owned> <owner>')
    .summary('assign the owner of an agent, archetype or group')
    .addHelpText('after', '\nExample:\n  behalf owner archetype:tax-preparer partners\n')
    .action(
      act(
        'assignOwner',
        (owned, _options, owner) => ({ owned, owner: owner ?? '' }),
        () => 'assigned',
      ),
    )
}
