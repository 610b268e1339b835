/** The front door: the story that `npm run demo` plays comes out as told, and again on what it left. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const script = join(import.meta.dirname, '../examples/tax-office/demo.ts')
const run = promisify(execFile)

/** Step, outcome and constraint, in order. */
const STORY = `
  1 ok, 1 ok, 1 ok, 2 ok, 3 ok, 4a ok, 4b permit,
  5a deny intent, 5b deny intent, 5c deny agent, 5d deny person,
  6 permit, 6 deny intent, 6 deny intent,
  7a ok, 7b permit, 7c permit, 7d approval_required intent, 7e approved,
  7f approval_required intent, 7g permit, 7h deny intent, 7i deny intent,
  8a deny intent, 8b permit, 8c deny intent, 8d deny,
  9 ok, 10a ok, 10b deny, 10c ok`
  .split(',')
  .map((step) => step.trim())

interface Step {
  readonly step: string
  readonly outcome: string
  readonly constraint?: string
}

test('the tax office story', { timeout: 300_000 }, async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'behalf-demo-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  for (const telling of ['first', 'second'] as const) {
    // oxlint-disable-next-line no-await-in-loop -- the second stands on what the first left
    await t.test(`${telling} telling`, async () => {
      const flags = ['--once', '--json', '--home', home, '--port', '0']
      const { stdout } = await run(process.execPath, [
        '--disable-warning=ExperimentalWarning',
        script,
        ...flags,
      ])
      const steps = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Step)
      assert.deepEqual(
        steps.map(({ step, outcome, constraint }) =>
          [step, outcome, ...(constraint === undefined ? [] : [constraint])].join(' '),
        ),
        STORY,
      )
    })
  }
})
