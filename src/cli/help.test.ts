import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Command } from 'commander'

const program = new Command('behalf')
for (const file of globSync('*-command*.ts', { cwd: import.meta.dirname }).toSorted()) {
  const module = (await import(join(import.meta.dirname, file))) as Record<string, unknown>
  for (const add of Object.values(module)) {
    if (typeof add === 'function' && /^add\w+Commands?$/.test(add.name)) {
      ;(add as (to: Command) => void)(program)
    }
  }
}

/** Every command with its path: `log verify`. */
function everyCommand(command: Command, path: readonly string[] = []): [string, Command][] {
  return command.commands.flatMap((child) => {
    const at = [...path, child.name()]
    return child.commands.length > 0 ? everyCommand(child, at) : [[at.join(' '), child]]
  })
}

const commands = everyCommand(program)

test('there are the commands that the product names', () => {
  const named = commands.map(([name]) => name.split(' ')[0])
  for (const name of (
    'serve demo login person group archetype agent delegate delegation stage server policy ' +
    'approval call bridge connect log witness'
  ).split(' ')) {
    assert(named.includes(name), name)
  }
})

for (const [name, command] of commands) {
  test(`behalf ${name} --help has a summary, a sentence for each option, and an example of itself`, () => {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) })
    command.outputHelp()
    assert.notEqual(command.summary(), '')
    for (const option of command.options) assert.notEqual(option.description, '', option.flags)
    assert.match(help, new RegExp(String.raw`\nExamples?:\n(?:.*\n)*? {2}.*behalf ${name}\b`))
  })
}
