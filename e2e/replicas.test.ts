/** Two servers on one Postgres, with one issuer and one master key: what was proven to one is nothing to the other. */

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type RunningServer, startServer } from '../scripts/start-server.ts'
import { systemClock } from '../src/base/clock.ts'
import { systemRandom } from '../src/base/random.ts'
import { agentAccess } from '../src/client/agent.ts'
import { dpopKey } from '../src/client/dpop.ts'
import { callTool } from '../src/client/mcp.ts'
import { workloadApi } from '../src/client/workload.ts'
import { testDatabase } from '../src/store/testing.ts'
import { must } from '../scripts/set-up.ts'
import { openClerks } from './clerks.ts'
import { startCountingServer } from './counting-server.ts'

const env = { clock: systemClock, random: systemRandom }
/** A port that nobody uses now: a server whose issuer is another's does not say where it listens. */
async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

test('a proof is good at the process whose nonce it bears, and there once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-replicas-'))
  const homes = ['one', 'two'].map((name) => join(folder, name))
  const [home = '', otherHome = ''] = homes
  const environment = { DATABASE_URL: await testDatabase(t) }
  const flags = ['--dpop-nonce', 'required']
  const counter = await startCountingServer()
  let one = await startServer({ home, environment, flags })
  const running: RunningServer[] = [one]
  t.after(async () => {
    for (const server of running) await server.stop()
    await counter.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const { url: issuer, code = '' } = one
  const { administrator } = await openClerks({ url: issuer, code }, counter.url)
  mkdirSync(join(otherHome, 'installation'), { recursive: true, mode: 0o700 })
  copyFileSync(join(home, 'installation/master.key'), join(otherHome, 'installation/master.key'))
  const port = await freePort()
  running.push(
    await startServer({
      home: otherHome,
      environment,
      flags: [...flags, '--issuer', issuer],
      port,
    }),
  )
  const two = `http://127.0.0.1:${port}`

  const { id, socket = '' } = await must(administrator, 'createAgent', { archetype: 'clerk' })
  const delegation = await must(administrator, 'delegate', {
    purpose: 'note',
    archetype: 'clerk',
    agent: id,
    details: [
      { type: 'mcp_call', locations: [`${issuer}/mcp/counter`], actions: ['tools/call:note'] },
    ],
    expiresIn: 3_600,
  })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const access = agentAccess(
    {
      issuer,
      workload: workloadApi(`unix://${socket}`, env),
      delegation: delegation.signed,
      key: privateKey,
    },
    env,
  )
  // Our client finds out what is wanted, at the token endpoint and at the gateway.
  const endpoint = `${issuer}/mcp/counter`
  const note = async (nonce: string): Promise<unknown> =>
    (await callTool(endpoint, access.fetch, { name: 'note', arguments: { nonce } })).content
  assert.deepEqual(await note('a'), [{ type: 'text', text: 'noted a' }])

  const token = await access.token(endpoint)
  const key = dpopKey(privateKey, env)
  /** What a server says to a ping with this proof, and the nonce that it wants instead. */
  const ping = async (server: string, dpop: string): Promise<[string, string]> => {
    const response = await fetch(`${server}/mcp/counter`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `DPoP ${token}`, dpop },
      body: PING,
    })
    await response.body?.cancel()
    const challenge = response.headers.get('www-authenticate')?.split(/\bDPoP /)[1] ?? ''
    const error = /error="([^"]+)"/.exec(challenge)?.[1] ?? String(response.status)
    return [error, response.headers.get('dpop-nonce') ?? '']
  }
  const proof = (nonce?: string): string => key.prove('POST', endpoint, token, nonce)

  const [wanted, ofOne] = await ping(issuer, proof())
  assert.equal(wanted, 'use_dpop_nonce')
  const proven = proof(ofOne)
  assert.deepEqual(await ping(issuer, proven), ['200', ''])
  assert.deepEqual(await ping(issuer, proven), ['invalid_dpop_proof', ''])
  const [atTheOther, ofTwo] = await ping(two, proven)
  assert.equal(atTheOther, 'use_dpop_nonce')
  assert.notEqual(ofTwo, ofOne)
  assert.deepEqual(await ping(two, proof(ofTwo)), ['200', ''])
  assert.deepEqual(await ping(two, proof('made-up')), ['use_dpop_nonce', ofTwo])

  // Nor at the same one after a restart, which forgets what it has seen.
  const unused = proof(ofOne)
  await one.stop()
  one = await startServer({ home, environment, flags, port: Number(new URL(issuer).port) })
  running.splice(0, 1, one)
  for (const dpop of [proven, unused]) {
    assert.equal((await ping(issuer, dpop))[0], 'use_dpop_nonce')
  }
  assert.deepEqual(await note('b'), [{ type: 'text', text: 'noted b' }])
})
