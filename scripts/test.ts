/**
 * `npm test`: every test of the product against one Postgres, ending with one line of counts.
 *
 * Arguments are file globs; without them everything runs. `DATABASE_URL` names another Postgres.
 */

import { globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { systemClock } from '../src/base/clock.ts'
import { silentDiagnostics } from '../src/base/diagnostics.ts'
import { startEmbeddedPostgres } from '../src/store/embedded.ts'

const root = join(import.meta.dirname, '..')
const globs = process.argv.slice(2)
const files = globSync(
  globs.length > 0
    ? globs
    : ['{src,e2e,scripts,examples}/**/*.test.ts', 'bench/channel/**/*.test.ts'],
  { cwd: root },
)

const folder = mkdtempSync(join(tmpdir(), 'behalf-test-'))
const postgres =
  process.env['DATABASE_URL'] === undefined
    ? await startEmbeddedPostgres({ folder, clock: systemClock, diagnostics: silentDiagnostics })
    : undefined
process.env['BEHALF_TEST_DATABASE_URL'] = postgres?.url ?? process.env['DATABASE_URL'] ?? ''

let passed = 0
let failed = 0
const stream = run({
  files: files.map((file) => join(root, file)),
  concurrency: 2,
  // A file of scenarios is some hundred processes; a busy machine takes its time.
  timeout: 900_000,
})
stream.on('test:pass', (event) => {
  if (event.details.type !== 'suite' && event.skip === undefined) passed++
})
stream.on('test:fail', (event) => {
  if (event.details.type !== 'suite') failed++
})
const { promise, resolve } = Promise.withResolvers<void>()
stream.once('end', resolve)
stream.compose(spec).pipe(process.stdout, { end: false })
await promise
await postgres?.stop()
rmSync(folder, { recursive: true, force: true })
process.stdout.write(`\ntests: ${passed} passed, ${failed} failed\n`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
