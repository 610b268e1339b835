/** Started as root, the same tests once more as a user who owns nothing: who may not make control groups. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { closedTo } from './identity.ts'
import { killGroup } from './launch.ts'

const ORDINARY = { uid: 61_184, gid: 61_184 }
const FILES = ['sandboxed', 'limits', 'escape', 'egress', 'terminal', 'tar', 'disk-watch'].map(
  (name) => join(import.meta.dirname, `${name}.test.ts`),
)

test('as an ordinary user', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('not root: the other tests were that')
  if (!existsSync('/usr/bin/setpriv')) return t.skip('no setpriv')
  for (const path of [process.execPath, ...FILES]) {
    const closed = await closedTo(path, false, ORDINARY)
    if (closed !== undefined) return t.skip(closed)
  }
  const become = [`--reuid=${ORDINARY.uid}`, `--regid=${ORDINARY.gid}`, '--clear-groups', '--']
  // Not this runner's: it would take the children's reports for its own.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env
  const child = spawn(
    '/usr/bin/setpriv',
    [...become, process.execPath, '--no-warnings', '--test', '--test-reporter=dot', ...FILES],
    // A session of its own, as a service has: in that of the other tests a watchdog shares their turn.
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...environment, HOME: '/' }, detached: true },
  )
  t.after(() => killGroup(child.pid ?? 0))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => (said += String(chunk)))
  }
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.equal(code, 0, said.slice(-4_000))
})
