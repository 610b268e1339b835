/**
 * A call through the gateway with everything on, beside its floor: `node bench/gateway.ts [--json]`.
 *
 * Four targets take turns within each round and get the same bytes: the echo server itself, a bare proxy,
 * the floor (`peers/proxy.ts` with a database), and ours. The first two show what the load generator and
 * node:http cost by themselves.
 */

import { META, MODERN, modernHeaders } from '../src/mcp/era.ts'
import { requestText } from '../src/mcp/message.ts'
import { type BenchAgent, type Installation } from './installation.ts'
import { type Accept, load, postBytes } from './load.ts'
import { startPeer } from './peer.ts'
import { type Round, type Row, rowOf } from './rows.ts'

type Target = 'raw' | 'bare' | 'floor' | 'call' | 'sink' | 'limited'
type Figure = Target | `${Target} alone`

const TOOL: Readonly<Record<Target, string>> = {
  raw: 'echo',
  bare: 'echo',
  floor: 'echo',
  call: 'echo',
  sink: 'look',
  limited: 'count',
}
const TARGETS = Object.keys(TOOL) as Target[]

/**
 * Calls beforehand: a process's first 800 cost twice as much as those after 4,000, when its code is compiled
 * for good.
 */
const WARMED: Partial<Record<Target, number>> = { bare: 2_000, floor: 4_000, call: 4_000 }

/** How much is measured. */
export interface Effort {
  readonly rounds: number
  /** Calls at 32 connections; a tenth of them at one. */
  readonly calls: number
  /** Only these targets: for a profile of one of them. */
  readonly targets?: readonly string[]
}

/** Measures every row. */
export async function measureGateway(
  installation: Installation,
  { rounds, calls, targets }: Effort,
): Promise<Row[]> {
  const { url, upstream, database } = installation
  const bare = await startPeer('proxy', upstream)
  const floor = await startPeer('proxy', upstream, database)
  const ours = `${url}/mcp/echo`
  const at = {
    raw: upstream,
    bare: bare.url,
    floor: floor.url,
    call: ours,
    sink: ours,
    limited: ours,
  }
  const wanted = TARGETS.filter((each) => targets?.includes(each) ?? true)
  const requestsFor = (target: Target, count: number): Buffer[] =>
    requestsTo(at[target], count, { installation, tool: TOOL[target] })
  for (const target of wanted) {
    const warming = WARMED[target] ?? 0
    await load(at[target], requestsFor(target, warming), { connections: 32, accept })
  }
  const measured: Round<Figure>[] = []
  for (let round = -1; round < rounds; round++) {
    const figures: Partial<Record<Figure, number>> = {}
    for (const target of wanted) {
      const requests = (count: number): Buffer[] => requestsFor(target, count)
      const many = await load(at[target], requests(calls), { connections: 32, accept })
      figures[target] = many.perSecond
      const few = await load(at[target], requests(calls / 10), { connections: 1, accept })
      figures[`${target} alone`] = few.latencies[few.latencies.length >> 1] ?? 0
    }
    // The first round only warms up what is a target's own.
    if (round >= 0) measured.push(figures as Round<Figure>)
  }
  await bare.stop()
  await floor.stop()
  return rowsOf(measured)
}

function rowsOf(measured: readonly Round<Figure>[]): Row[] {
  const floor = {
    name: 'minimal proxy: one ES256 check, two durable inserts',
    of: 'floor',
  } as const
  const many = (
    name: string,
    of: Target,
    against: { name: string; of: Target },
    aim?: string,
  ): Row =>
    rowOf(measured, { name, of, unit: 'calls/s', ...(aim !== undefined && { aim }) }, against)
  const alone = (name: string, of: Target, aim?: string): Row =>
    rowOf(
      measured,
      { name, of: `${of} alone`, unit: 'ms', ...(aim !== undefined && { aim }) },
      { name: floor.name, of: 'floor alone' },
    )
  const rows = [
    many('gateway call, 32 connections', 'call', floor, '≥ 0.70'),
    many('… of a tool with a sink', 'sink', floor, '≥ 0.70'),
    many('… of a limited tool', 'limited', floor),
    many('… beside a bare proxy', 'call', { name: 'bare proxy', of: 'bare' }),
    many('… beside the raw upstream', 'call', { name: 'raw upstream', of: 'raw' }),
    many('bare proxy, 32 connections', 'bare', { name: 'raw upstream', of: 'raw' }),
    alone('gateway call, 1 connection, median', 'call', '≤ 1 ms more'),
    alone('… of a tool with a sink', 'sink', '≤ 1 ms more'),
    alone('… of a limited tool', 'limited'),
  ]
  // Without those that were not asked for.
  return rows.filter(({ value }) => value > 0)
}

/** A call went through only if the server's own answer came back. */
export const accept: Accept = (status, body) =>
  status === 200 && body.includes(String.raw`\"path\"`)

let serial = 0

export function requestsTo(
  at: string,
  count: number,
  { installation, tool }: { readonly installation: Installation; readonly tool: string },
): Buffer[] {
  const { agents, url } = installation
  return Array.from({ length: count }, (_, i) => {
    const agent = agents[i % agents.length] as BenchAgent
    const params = {
      name: tool,
      arguments: { path: `/clients/1042/${serial++}.txt`, text: 'what the client handed in' },
      _meta: { [META.protocolVersion]: MODERN, [META.clientCapabilities]: {} },
    }
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...modernHeaders('tools/call', params),
      authorization: `DPoP ${agent.token}`,
      dpop: agent.key.prove('POST', `${url}/mcp/echo`, agent.token),
    }
    return postBytes(at, headers, requestText(serial, 'tools/call', params))
  })
}
