/** Where servers run, as policy is told, and that a call is made there or not at all. */

import assert from 'node:assert/strict'
import { chmod } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import type { Transport } from '../registry/server.ts'
import { jailWorks } from '../sandbox/bubblewrap.ts'
import { badServer, options, serverOf, testUpstreams, tool } from './testing.ts'

const BWRAP = '/usr/bin/bwrap'

test('the tier of a server: as it is demanded, as it runs, else as this machine would run it', async (t) => {
  const script = await badServer(t)
  assert.ok(script.type === 'stdio')
  const binary: Transport = { ...script, command: '/usr/bin/id', args: [] }
  const http: Transport = { type: 'http', url: 'https://example.com/mcp' }
  const without: [string, Transport, string][] = [
    ['JavaScript', script, 'T0'],
    ['another program', binary, 'none'],
    ['a demand', { ...script, tier: 'T1' }, 'T1'],
    ['a demand of less', { ...script, tier: 'T0' }, 'T0'],
    ['a way out', { ...script, egress: [{ host: 'example.com' }] }, 'T1'],
    ['over HTTP', http, 'remote'],
    ['no such program', { ...script, command: '/nowhere/x.mjs' }, 'none'],
  ]
  const upstreams = testUpstreams(t)
  for (const [name, transport, want] of without) {
    assert.equal(await upstreams.tierOf(serverOf(transport)), want, name)
  }
  const usable = await jailWorks({ clock: systemClock, nodePath: process.execPath })
  if (!usable.ok) return t.diagnostic(usable.error.message)
  const jailing = testUpstreams(t, { bubblewrapPath: BWRAP })
  for (const [name, transport, want] of without) {
    const better = ['another program', 'JavaScript'].includes(name) ? 'T1' : want
    assert.equal(await jailing.tierOf(serverOf(transport)), better, name)
  }
})

test('a server that the jail cannot reach is expected where it will run, and its first call is made there', async (t) => {
  const usable = await jailWorks({ clock: systemClock, nodePath: process.execPath })
  if (!usable.ok) return t.diagnostic(usable.error.message)
  if (process.getuid?.() !== 0) return t.diagnostic('only root becomes somebody else in the jail')
  const script = await badServer(t)
  assert.ok(script.type === 'stdio')
  // As a home folder is: for its owner alone.
  await chmod(dirname(script.args[0] ?? ''), 0o700)
  const upstreams = testUpstreams(t, { bubblewrapPath: BWRAP })
  const server = serverOf(script)
  const tier = await upstreams.tierOf(server)
  assert.equal(tier, 'T0')
  assert.equal((await upstreams.call(server, tool('log'), options({ tier }))).outcome, 'ok')
})

test('a server that runs in another tier than was decided on is sent nothing', async (t) => {
  const upstreams = testUpstreams(t)
  const server = serverOf(await badServer(t))
  const logged = async (): Promise<string> => {
    const got = await upstreams.call(server, tool('log'), options({ tier: 'T0' }))
    return JSON.stringify(got)
  }
  assert.match(await logged(), /tools\/call/)
  assert.equal(await upstreams.tierOf(server), 'T0')
  for (const tier of ['T1', 'remote', 'none'] as const) {
    assert.deepEqual(await upstreams.call(server, tool('hang'), options({ tier })), {
      outcome: 'failed',
      error: {
        reason: 'upstream_failed',
        message: `it runs in \`T0\`, and was permitted in \`${tier}\``,
      },
    })
  }
  // Its own log tells of the two calls that were made, and of no other.
  assert.equal((await logged()).match(/tools\/call/g)?.length, 2)
})
