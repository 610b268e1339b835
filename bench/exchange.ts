/**
 * The token exchange, sender-constrained and recorded, beside its floor (`peers/token-endpoint.ts`): both
 * get the same bytes, 32 at a time and one at a time.
 */

import { type BenchAgent, exchangeBytes, type Installation } from './installation.ts'
import { type Accept, load } from './load.ts'
import { startPeer } from './peer.ts'
import { type Round, type Row, rowOf } from './rows.ts'

type Figure = 'ours' | 'floor' | 'ours alone' | 'floor alone'

/** Measures every row. */
export async function measureExchange(
  installation: Installation,
  { rounds, calls }: { readonly rounds: number; readonly calls: number },
): Promise<Row[]> {
  const { url, database } = installation
  const floor = await startPeer('token-endpoint', database, ...(await publishedKeys(url)))
  const at = { ours: url, floor: new URL(floor.url).origin }
  const measured: Round<Figure>[] = []
  for (let round = -1; round < rounds; round++) {
    const figures: Partial<Record<Figure, number>> = {}
    for (const target of ['floor', 'ours'] as const) {
      const requests = (count: number): Buffer[] => requestsTo(at[target], count, installation)
      const many = await load(at[target], requests(calls), { connections: 32, accept })
      const few = await load(at[target], requests(calls / 10), { connections: 1, accept })
      figures[target] = many.perSecond
      figures[`${target} alone`] = few.latencies[few.latencies.length >> 1] ?? 0
    }
    // The first round only warms up.
    if (round >= 0) measured.push(figures as Round<Figure>)
  }
  await floor.stop()
  const name = 'node:http, three ES256 checks, one signature, one durable insert'
  return [
    rowOf(
      measured,
      { name: 'token exchange, 32 connections', of: 'ours', unit: 'tokens/s', aim: '≥ 0.70' },
      { name, of: 'floor' },
    ),
    rowOf(
      measured,
      { name: 'token exchange, 1 connection, median', of: 'ours alone', unit: 'ms' },
      { name, of: 'floor alone' },
    ),
  ]
}

const accept: Accept = (status, body) => status === 200 && body.includes('"access_token":"')

function requestsTo(at: string, count: number, { agents, url }: Installation): Buffer[] {
  return Array.from({ length: count }, (_, i) =>
    exchangeBytes(url, agents[i % agents.length] as BenchAgent, at),
  )
}

/** The keys under which SVIDs and delegations were signed, as JSON. */
async function publishedKeys(url: string): Promise<string[]> {
  const sets = await Promise.all(
    ['/oauth/jwks', '/spiffe/bundle'].map(async (path) => {
      const response = await fetch(url + path)
      return ((await response.json()) as { keys: { kid?: string }[] }).keys
    }),
  )
  return sets.flat().flatMap((key) => (key.kid === undefined ? [] : [JSON.stringify(key)]))
}
