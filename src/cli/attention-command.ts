/** `behalf attention`: what needs you, why, and what you can do about it. */

import type { Command } from 'commander'
import type { Output } from '../api/operations.ts'
import { act } from './act.ts'
import { dateText, examples } from './terminal.ts'

type Attention = Output<'listAttention'>

/** Adds the command. */
export function addAttentionCommand(program: Command): void {
  program
    .command('attention')
    .summary('what needs you: approvals that wait, suspended agents that concern you')
    .addHelpText('after', examples('behalf attention', 'behalf attention --json'))
    .action(act('listAttention', () => ({}), attentionText))
}

/** How much there is, in a line; empty if there is nothing. */
export function attentionLine({ approvals, agents }: Attention): string {
  const counted = [
    [approvals.length, approvals.length === 1 ? 'approval waits' : 'approvals wait'],
    [agents.length, agents.length === 1 ? 'agent is suspended' : 'agents are suspended'],
  ].filter(([count]) => count !== 0)
  if (counted.length === 0) return ''
  return `${counted.map((words) => words.join(' ')).join(', ')}: behalf attention`
}

function attentionText({ approvals, agents, more }: Attention): string {
  const parts = [
    ...approvals.map(
      ({ id, action, delegation, expiresAt }) =>
        `${id} waits for your decision until ${dateText(expiresAt)}\n  ${action}, under ${delegation}\n  behalf approval show ${id}`,
    ),
    ...agents.map(agentText),
    ...(more ? ['there are more: behalf agent list --state suspended'] : []),
  ]
  return parts.length === 0 ? 'nothing needs you' : parts.join('\n\n')
}

function agentText(agent: Attention['agents'][number]): string {
  const { id, archetype, suspendedFor, since, entry, delegations, refusals } = agent
  const when = since === undefined ? '' : ` since ${dateText(since)}, entry ${entry}`
  return [
    `${id} (${archetype}) is suspended${when}: ${suspendedFor}`,
    ...delegations.map((one) => `  it works for you: ${one.id} "${one.purpose}"`),
    ...refusals.map((one) => `  entry ${one.entry}: ${one.what}: ${one.why}`),
    ...remediesOf(agent),
  ].join('\n')
}

function remediesOf({ id, as, accountable, delegations }: Attention['agents'][number]): string[] {
  const revoke = delegations.map(
    (one) => `  take back what you delegated: behalf delegation revoke ${one.id}`,
  )
  if (as.includes('answers')) {
    return [
      `  let it go on: behalf agent resume ${id}`,
      `  end it: behalf agent end ${id}`,
      ...revoke,
    ]
  }
  if (as.includes('appoints')) return [`  say who answers: behalf owner ${id} PERSON`, ...revoke]
  const who = accountable?.name ?? 'nobody'
  return [`  ${who} answers for it, and may let it go on`, ...revoke]
}
