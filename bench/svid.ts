/**
 * An X.509-SVID with its key, beside what cannot be saved: node:crypto making the key and one signature;
 * and how long it takes from registering an agent to its first SVID over the Workload API.
 */

import { generateKeyPairSync, sign } from 'node:crypto'
import { systemClock } from '../src/base/clock.ts'
import { systemRandom } from '../src/base/random.ts'
import { must } from '../src/base/result.ts'
import { workloadApi } from '../src/client/workload.ts'
import { signingAuthority } from '../src/identity/authority.ts'
import { mintX509Svid } from '../src/identity/issue-svid.ts'
import { parseSpiffeId, parseTrustDomain } from '../src/identity/spiffe-id.ts'
import { testKeyring } from '../src/keys/testing.ts'
import { createAgent, type Installation } from './installation.ts'
import { type Round, type Row, rowOf } from './rows.ts'

/** Measures every row. */
export async function measureSvid(
  installation: Installation,
  { rounds, agents }: { readonly rounds: number; readonly agents: number },
): Promise<Row[]> {
  return [await minted(rounds), await registered(installation, agents)]
}

const MINTED = 1_000

async function minted(rounds: number): Promise<Row> {
  const env = { clock: systemClock, random: systemRandom }
  const trustDomain = must(parseTrustDomain('acme.example'))
  const authority = await signingAuthority({ ...env, keyring: testKeyring(), trustDomain })
  const id = '00000000-0000-4000-8000-000000000001'
  const spiffeId = must(parseSpiffeId(`spiffe://acme.example/agent/worker/${id}`))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const toBeSigned = Buffer.alloc(400)
  const measured: Round<'ours' | 'floor'>[] = []
  for (let round = -1; round < rounds; round++) {
    const figures = {
      floor: perSecond(() => {
        generateKeyPairSync('ec', {
          namedCurve: 'P-256',
          publicKeyEncoding: { type: 'spki', format: 'der' },
          privateKeyEncoding: { type: 'pkcs8', format: 'der' },
        })
        sign('sha256', toBeSigned, privateKey)
      }),
      ours: perSecond(() => mintX509Svid(spiffeId, authority, env)),
    }
    if (round >= 0) measured.push(figures)
  }
  return rowOf(
    measured,
    { name: 'X.509-SVID with its key', of: 'ours', unit: '/s', aim: '≥ 0.70' },
    { name: 'node:crypto: key generation and one signature', of: 'floor' },
  )
}

function perSecond(work: () => unknown): number {
  const started = performance.now()
  for (let i = 0; i < MINTED; i++) work()
  return (MINTED * 1_000) / (performance.now() - started)
}

/** Registrations beforehand, in which the server meets this code for the first time. */
const WARMED = 20

/** From the request that registers an agent to its first SVID, one agent after the other. */
async function registered({ administrator }: Installation, agents: number): Promise<Row> {
  const times: number[] = []
  for (let i = -WARMED; i < agents; i++) {
    const started = performance.now()
    // oxlint-disable-next-line no-await-in-loop -- one at a time is what is measured
    const workload = workloadApi(await createAgent(administrator), { clock: systemClock })
    // oxlint-disable-next-line no-await-in-loop -- as above
    await workload.fetchX509Svid()
    if (i >= 0) times.push(performance.now() - started)
    workload.close()
  }
  // By nearest rank: of a hundred the second worst, where the worst would be the maximum.
  const value = times.toSorted((a, b) => a - b)[Math.ceil(agents * 0.99) - 1] ?? 0
  const name = 'registration to first SVID, p99'
  return { name, value, unit: 'ms', floor: '', ratio: Number.NaN, spread: 0, aim: '≤ 50 ms' }
}
