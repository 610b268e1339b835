import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { escapes, type EscapeRow } from './escape.ts'
import { jailWorks } from './bubblewrap.ts'
import type { SandboxEnv, Tier } from './sandboxed.ts'

const env: SandboxEnv = { clock: systemClock, nodePath: process.execPath }
const LEAST: Readonly<Record<Tier, number>> = { T0: 117, T1: 165 }

for (const tier of ['T0', 'T1'] as const) {
  test(`${tier}: every attempt to escape is held`, async (t) => {
    const usable = tier === 'T1' ? await jailWorks(env) : undefined
    if (usable?.ok === false) return t.skip(usable.error.message)
    const rows: EscapeRow[] = []
    for await (const row of escapes(tier, env)) rows.push(row)
    assert.deepEqual(
      rows.filter((row) => !row.held),
      [],
    )
    assert.ok(rows.length >= LEAST[tier], `${rows.length} attempts`)
    assert.equal(new Set(rows.map((row) => row.attempt)).size, rows.length)
  })
}

// Those that change nothing on the machine where they succeed.
const HARMLESS = [
  'read beside the mounts',
  'read /etc/passwd',
  'import beside the mounts',
  'signal a process of the host',
  'signal every process',
  'find an inherited descriptor',
  'find a secret in its environment',
  'open a database beside the mounts',
  'run a program that would make it root',
  'open a netlink socket',
  'run code from memory',
  'send to a path from a pair of datagram sockets',
  'watch the host’s files',
  'change its segments',
  'trace a sibling',
  'make a program that lends its user’s rights',
  'make such a program at once',
  'start a process',
  'start a worker',
  'call a foreign function',
  'reach internal bindings',
  'open the inspector',
]

test('the list can fail: without a sandbox the same attempts get through', async (t) => {
  const root = mkdtempSync('/tmp/behalf-control-')
  t.after(() => rmSync(root, { recursive: true }))
  chmodSync(root, 0o755)
  mkdirSync(join(root, 'work'))
  const secret = 'control-secret'
  writeFileSync(join(root, 'secret.txt'), secret)
  writeFileSync(join(root, 'secret.json'), JSON.stringify(secret))
  const program = join(import.meta.dirname, 'escape-attempts.ts')
  const prepared = { root, secret, port: 1, hostPid: process.pid, abstract: 'none' }
  const leaked = openSync(join(root, 'secret.txt'), 'r')
  const child = spawn(
    process.execPath,
    ['--no-warnings', program, JSON.stringify(prepared), '', HARMLESS.join('\n')],
    { env: { SECRET: secret }, stdio: ['ignore', 'pipe', 'ignore', leaked] },
  )
  let out = ''
  for await (const chunk of child.stdout ?? []) out += String(chunk)
  const report = JSON.parse(out.trim().split('\n').at(-1) ?? '') as Record<string, string | null>
  for (const attempt of HARMLESS) {
    assert.notEqual(report[attempt], null, attempt)
  }
})

test('a descriptor that whoever started us left open does not reach the program', async (t) => {
  const usable = await jailWorks(env)
  if (!usable.ok) return t.skip(usable.error.message)
  const root = mkdtempSync('/tmp/behalf-leak-')
  t.after(() => rmSync(root, { recursive: true }))
  chmodSync(root, 0o755)
  writeFileSync(join(root, 'secret.txt'), 'left open')
  writeFileSync(
    join(root, 'inside.mjs'),
    `import fs from 'node:fs'
     let found = ''
     for (let fd = 3; fd < 64; fd++) try { if (fs.fstatSync(fd).isFile()) found += fs.readFileSync(fd) } catch {}
     console.log(JSON.stringify(found))`,
  )
  // The descriptor is one of a process between, as a shell or a supervisor leaves it.
  const host = `
    const { sandboxed } = await import(${JSON.stringify(join(import.meta.dirname, 'sandboxed.ts'))})
    const { systemClock } = await import(${JSON.stringify(join(import.meta.dirname, '../base/clock.ts'))})
    for (const tier of ['T0', 'T1']) {
      const ran = await sandboxed({ command: 'node', args: [${JSON.stringify(join(root, 'inside.mjs'))}],
        readOnly: [], readWrite: [], environment: {}, limits: {}, tier }, { clock: systemClock, nodePath: process.execPath })
      ran.value.stdin.end()
      for await (const chunk of ran.value.stdout) process.stdout.write(tier + chunk)
    }`
  const leaked = openSync(join(root, 'secret.txt'), 'r')
  const stdio = ['ignore', 'pipe', 'inherit', ...Array.from({ length: 37 }, () => 'ignore'), leaked]
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', host], {
    stdio: stdio as never,
  })
  let out = ''
  for await (const chunk of child.stdout ?? []) out += String(chunk)
  assert.equal(out, 'T0""\nT1""\n')
  assert.ok(existsSync(join(root, 'secret.txt')))
})
