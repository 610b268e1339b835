/**
 * `npm run bench`: every figure beside its floor, in under three minutes on two cores.
 *
 * `-- --json` prints one object per row, `-- --only gateway,exchange` measures some, `-- --quick` measures
 * little, `-- --profile <folder>` leaves a CPU profile of the server there. Ratios are of one run, the
 * median over interleaved rounds; nothing here fails because something is slow.
 */

import { parseArgs } from 'node:util'
import { measureGateway } from './gateway.ts'
import { openInstallation } from './installation.ts'
import { type Row, tableOf } from './rows.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    targets: { type: 'string' },
    profile: { type: 'string' },
  },
})

const started = performance.now()
const rows: Row[] = []
const wanted = (name: string): boolean => values.only?.split(',').includes(name) ?? true
const installation = await openInstallation({
  ...(values.profile !== undefined && { profile: values.profile }),
})
try {
  const effort = {
    ...(values.quick ? { rounds: 2, calls: 600 } : { rounds: 5, calls: 2_000 }),
    ...(values.targets !== undefined && { targets: values.targets.split(',') }),
  }
  if (wanted('gateway')) rows.push(...(await measureGateway(installation, effort)))
} finally {
  await installation.stop()
}
if (values.json) for (const row of rows) console.log(JSON.stringify(row))
else {
  console.log(tableOf(rows))
  console.log(`\n${((performance.now() - started) / 1_000).toFixed(0)} s`)
}
