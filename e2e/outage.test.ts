/**
 * The database goes away under a running server and comes back: meanwhile nothing is granted and everybody
 * is told when to come again, afterwards everything works without anybody's help.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../src/base/clock.ts'
import { systemRandom } from '../src/base/random.ts'
import { agentAccess } from '../src/client/agent.ts'
import { callTool } from '../src/client/mcp.ts'
import { workloadApi } from '../src/client/workload.ts'
import { startServer } from '../scripts/start-server.ts'
import { must } from '../scripts/set-up.ts'
import { openClerks } from './clerks.ts'
import { startCountingServer } from './counting-server.ts'

test('the database goes away and comes back', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'behalf-outage-'))
  const held = Promise.withResolvers<void>()
  const slow = new Set<string>()
  const counter = await startCountingServer(async (nonce) => {
    if (slow.has(nonce)) await held.promise
  })
  const server = await startServer({ home })
  t.after(async () => {
    await server.stop()
    await counter.close()
    rmSync(home, { recursive: true, force: true })
  })
  const { url, code = '' } = server
  const { administrator, session } = await openClerks({ url, code }, counter.url)
  const { id, socket = '' } = await must(administrator, 'createAgent', { archetype: 'clerk' })
  const { signed } = await must(administrator, 'delegate', {
    purpose: 'note',
    archetype: 'clerk',
    agent: id,
    details: [
      { type: 'mcp_call', locations: [`${url}/mcp/counter`], actions: ['tools/call:note'] },
    ],
    expiresIn: 3_600,
  })
  const env = { clock: systemClock, random: systemRandom }
  const workload = workloadApi(`unix://${socket}`, env)
  const access = agentAccess({ issuer: url, workload, delegation: signed }, env)
  const note = async (nonce: string): Promise<string> => {
    const call = { name: 'note', arguments: { nonce } }
    const told = await callTool(`${url}/mcp/counter`, access.fetch, call)
    return told.content[0]?.text ?? ''
  }
  assert.equal(await note('before'), 'noted before')

  // One call is at its server when the database goes.
  slow.add('during')
  const during = note('during').catch((fault: unknown) => String(fault))
  while (!counter.counts.has('during')) await systemClock.sleep(5)
  const data = join(home, 'installation/postgres/data')
  renameSync(data, `${data}.away`)
  process.kill(
    Number(readFileSync(join(`${data}.away`, 'postmaster.pid'), 'utf8').split('\n')[0]),
    'SIGINT',
  )
  await until(async () => (await fetch(`${url}/readyz`)).status === 503)

  assert.equal((await fetch(`${url}/healthz`)).status, 200, 'it lives')
  for (const path of ['/readyz', '/api/v1/delegations']) {
    const answer = await fetch(`${url}${path}`, {
      headers: { authorization: `Bearer ${session}` },
    })
    assert.deepEqual([path, answer.status, answer.headers.get('retry-after')], [path, 503, '1'])
  }
  await assert.rejects(note('refused'), { message: 'the gateway answered 503' })
  assert.equal(counter.counts.has('refused'), false)
  held.resolve()
  assert.match(await during, /the outcome is unknown; the call is not repeated/)

  renameSync(`${data}.away`, data)
  await until(async () => (await fetch(`${url}/readyz`)).status === 200)
  assert.equal(await note('after'), 'noted after')
  assert.equal(counter.counts.get('during'), 1)
  // What the server said meanwhile was kept, and is recorded by itself.
  await until(async () => {
    const { entries } = await must(administrator, 'logEntries', { from: 0, limit: 500 })
    const outcomes = entries.filter(({ entry }) => entry['kind'] === 'call_outcome')
    return outcomes.length === 3 && outcomes.every(({ entry }) => entry['outcome'] === 'ok')
  })
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await holds()) return
    await systemClock.sleep(50)
  }
  assert.fail('expected it within 30 s')
}
