/**
 * `npm run bench`: every figure beside its floor, in under three minutes on two cores.
 *
 * `-- --json` prints one object per row, `-- --only gateway,exchange` measures some, `-- --quick` measures
 * little, `-- --only growth` draws cost against policies, delegations and segments (with a million
 * delegations: two minutes more, so it is measured only when it is named; `-- --svg docs/growth.svg` draws them), `-- --profile <folder>` leaves a CPU profile of the server there. Ratios are of one run, the
 * median over interleaved rounds; nothing here fails because something is slow.
 */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { measureAppend } from './append.ts'
import { measure as measureDecide } from './decide.ts'
import { measureExchange } from './exchange.ts'
import { measureGateway } from './gateway.ts'
import { drawn, measureGrowth, plotted } from './growth.ts'
import { openInstallation } from './installation.ts'
import { measureProvenance } from './provenance.ts'
import { type Row, tableOf } from './rows.ts'
import { measureSandbox } from './sandbox.ts'
import { measureSvid } from './svid.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    targets: { type: 'string' },
    profile: { type: 'string' },
    svg: { type: 'string' },
  },
})

const started = performance.now()
const rows: Row[] = []
let plot = ''
const { quick, only, profile } = values
const wanted = (name: string): boolean => only?.split(',').includes(name) ?? true
const rounds = quick ? 2 : 5
const installation = await openInstallation({ ...(profile !== undefined && { profile }) })
try {
  if (wanted('gateway')) {
    const targets = values.targets?.split(',')
    const effort = { rounds, calls: quick ? 600 : 1_600, ...(targets !== undefined && { targets }) }
    rows.push(...(await measureGateway(installation, effort)))
  }
  const few = quick ? 600 : 1_600
  if (wanted('exchange'))
    rows.push(...(await measureExchange(installation, { rounds, calls: few })))
  if (wanted('append'))
    rows.push(...(await measureAppend(installation, { rounds, entries: quick ? 3_200 : 12_800 })))
  if (wanted('svid'))
    rows.push(...(await measureSvid(installation, { rounds, agents: quick ? 20 : 400 })))
  if (only?.split(',').includes('growth')) {
    const growth = await measureGrowth(installation, { delegations: quick ? 100_000 : 1_000_000 })
    rows.push(...growth.rows)
    if (values.svg !== undefined) await drawn(growth, values.svg)
    plot = `\n\n${plotted(growth.curve)}\n\n${growth.plan.join('\n')}`
  }
} finally {
  await installation.stop()
}
if (wanted('decide')) rows.push(...(await measureDecide()))
if (wanted('provenance')) rows.push(...measureProvenance())
if (wanted('sandbox')) rows.push(...(await measureSandbox({ rounds })))
if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else {
  const seconds = (performance.now() - started) / 1_000
  console.log(`${tableOf(rows)}${plot}\n\n${seconds.toFixed(0)} s, ${availableParallelism()} cores`)
}
