/** `behalf sandbox check`: which tiers this machine has, and what they hold. */

import type { Command } from 'commander'
import { systemClock } from '../base/clock.ts'
import { checkMachine, type Machine } from '../sandbox/check.ts'
import { escapes, type EscapeRow } from '../sandbox/escape.ts'
import { sweep } from '../sandbox/leftovers.ts'
import { contextOf } from './context.ts'
import { EXIT, examples, table, type Terminal } from './terminal.ts'

/** Adds the commands about the sandbox of this machine; they need no installation. */
export function addSandboxCommands(program: Command): void {
  program
    .command('sandbox')
    .summary("where other people's code runs")
    .command('check')
    .summary('which tiers this machine has, and every attempt of the escape list against each')
    .option('--tiers', 'only say which tiers there are')
    .addHelpText('after', examples('behalf sandbox check', 'behalf sandbox check --json --tiers'))
    .action(async (options: { tiers?: boolean }, command: Command) => {
      const { terminal } = contextOf(command)
      process.exitCode = await check(terminal, options.tiers === true)
    })
}

/** With `--json` one object a line, `{tier, attempt, held, detail}`; else a table of what is not held, and counts. */
async function check(terminal: Terminal, tiersOnly: boolean): Promise<number> {
  const env = { clock: systemClock, nodePath: process.execPath }
  sweep()
  const machine = await checkMachine(env)
  if (terminal.json) for (const row of asRows(machine)) terminal.out(`${JSON.stringify(row)}\n`)
  else terminal.out(`${described(machine)}\n`)
  if (tiersOnly) return EXIT.done
  let escaped = 0
  for (const { tier } of machine.tiers.filter((each) => each.available)) {
    const rows: EscapeRow[] = []
    for await (const row of escapes(tier, env)) {
      rows.push(row)
      if (terminal.json) terminal.out(`${JSON.stringify(row)}\n`)
    }
    const through = rows.filter((row) => !row.held)
    escaped += through.length
    if (terminal.json) continue
    terminal.out(`\n${tier}: ${rows.length - through.length} of ${rows.length} attempts held\n`)
    if (through.length > 0) {
      const lines = through.map((row) => [row.attempt, row.detail])
      terminal.out(`${table(['got through', 'with'], lines)}\n`)
    }
  }
  return escaped === 0 ? EXIT.done : EXIT.refused
}

/** The tiers in the form of the attempts. */
function asRows({ tiers, totals, detail }: Machine): EscapeRow[] {
  return tiers.map((each) => ({
    tier: each.tier,
    attempt: 'be there',
    held: each.available,
    detail: each.detail ?? `${each.layers.join(', ')}; totals by ${totals}: ${detail}`,
  }))
}

function described({ tiers, totals, detail }: Machine): string {
  const lines = tiers.map((each) => [
    each.tier,
    each.available ? 'yes' : 'no',
    each.available ? each.layers.join(', ') : (each.detail ?? ''),
  ])
  return `${table(['tier', 'here', 'held by'], lines)}\n\ntotals: ${totals}: ${detail}`
}
