/** `behalf archetype|agent|owner`. */

import type { Command } from 'commander'
import type { Output } from '../api/operations.ts'
import { act, namesIn } from './act.ts'
import { examples, facts, table } from './terminal.ts'
import { listOf, oneOf } from './usage.ts'

/** Adds the commands about agents and who owns them. */
export function addAgentCommands(program: Command): void {
  const archetype = program.command('archetype').summary('kinds of agents; policy attaches to them')
  archetype
    .command('create <name>')
    .summary('add a kind of agent')
    .requiredOption('--owner <person-or-group>', 'who answers for its agents')
    .option('--description <text>', 'what it is for', '')
    .addHelpText('after', examples('behalf archetype create tax-preparer --owner partners'))
    .action(
      act(
        'createArchetype',
        (name, options) => ({
          name,
          description: options['description'] ?? '',
          owner: options['owner'] ?? '',
        }),
        async ({ owner, ...rest }, context) =>
          facts({ ...rest, owner: (await namesIn(context))(owner) }),
      ),
    )
  archetype
    .command('list')
    .summary('list kinds of agents and who owns them')
    .addHelpText('after', examples('behalf archetype list'))
    .action(
      act(
        'listArchetypes',
        () => ({}),
        async ({ archetypes }, context) => {
          const nameOf = await namesIn(context)
          return table(
            ['name', 'owner', 'description'],
            archetypes.map((each) => [
              each.name,
              each.owner === undefined ? '' : nameOf(each.owner),
              each.description,
            ]),
          )
        },
      ),
    )

  addInstanceCommands(program.command('agent').summary('agents: one cohesive context window each'))

  program
    .command('owner <owned> <owner>')
    .summary('assign the owner of an agent, archetype or group')
    .addHelpText('after', examples('behalf owner archetype:tax-preparer partners'))
    .action(
      act(
        'assignOwner',
        (owned, _options, owner) => ({ owned, owner: owner ?? '' }),
        () => 'assigned',
      ),
    )
}

function addInstanceCommands(agent: Command): void {
  agent
    .command('create')
    .summary('bring an agent to life with a Workload API socket of its own')
    .requiredOption('--archetype <name>', 'what kind of agent it is')
    .option('--parent <agent>', 'the agent that started it')
    .option(
      '--selector <selectors>',
      'comma-separated, what its process must be; by default the server’s user id',
    )
    .addHelpText(
      'after',
      examples('behalf agent create --archetype tax-preparer --selector unix:uid:1000'),
    )
    .action(
      act(
        'createAgent',
        (_, options) => ({
          archetype: options['archetype'] ?? '',
          ...(options['parent'] !== undefined && { parent: options['parent'] }),
          ...(options['selector'] !== undefined && { selectors: listOf(options['selector']) }),
        }),
        agentText,
      ),
    )
  agent
    .command('list')
    .summary('list agents')
    .option('--archetype <name>', 'only of this kind')
    .option('--state <state>', 'only those that are active, suspended or ended')
    .addHelpText(
      'after',
      examples('behalf agent list --archetype tax-preparer', 'behalf agent list --state suspended'),
    )
    .action(
      act(
        'listAgents',
        (_, options) => ({
          ...(options['archetype'] !== undefined && { archetype: options['archetype'] }),
          ...(options['state'] !== undefined && {
            state: oneOf(['active', 'suspended', 'ended'], options['state'], '--state'),
          }),
        }),
        ({ agents }) =>
          table(
            ['id', 'archetype', 'state', 'parent', 'suspended for'],
            agents.map((each) => [
              each.id,
              each.archetype,
              each.state,
              each.parent ?? '',
              each.suspendedFor ?? '',
            ]),
          ),
      ),
    )
  agent
    .command('show <agent>')
    .summary('one agent, and who answers for it now')
    .addHelpText('after', examples('behalf agent show agt_3af2610e-2a71-4239-8140-1c2dd375c034'))
    .action(act('showAgent', (id) => ({ id }), agentText))
  agent
    .command('suspend <agent>')
    .summary('stop an agent until it is resumed')
    .requiredOption('--reason <text>', 'why')
    .addHelpText('after', examples('behalf agent suspend agt_… --reason "looks confused"'))
    .action(
      act(
        'suspendAgent',
        (id, options) => ({ id, reason: options['reason'] ?? '' }),
        () => 'suspended',
      ),
    )
  agent
    .command('resume <agent>')
    .summary('let a suspended agent go on')
    .addHelpText('after', examples('behalf agent resume agt_…'))
    .action(
      act(
        'resumeAgent',
        (id) => ({ id }),
        () => 'resumed',
      ),
    )
  agent
    .command('end <agent>')
    .summary('end an agent for good')
    .addHelpText('after', examples('behalf agent end agt_…'))
    .action(
      act(
        'endAgent',
        (id) => ({ id }),
        () => 'ended',
      ),
    )
}

function agentText({ accountable, ...agent }: Output<'showAgent'>): string {
  const path = accountable?.path.map(({ via }) => via).join(' → ')
  const answers = accountable === undefined ? 'nobody' : `${accountable.name} (by ${path})`
  return facts({ ...agent, answerable: answers })
}
