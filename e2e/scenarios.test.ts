/** Runs every `e2e/*.txt` against a server of its own, on an empty installation. */

import assert from 'node:assert/strict'
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { runCommand } from './run-command.ts'
import { fill, matches, memberAt, parseScenario } from './scenario.ts'
import { startServer } from '../scripts/start-server.ts'

const root = join(import.meta.dirname, '..')

describe('scenarios', { concurrency: 2 }, () => {
  for (const file of globSync('*.txt', { cwd: import.meta.dirname }).toSorted()) {
    test(`e2e/${file}`, async (t) => {
      const home = mkdtempSync(join(tmpdir(), 'behalf-e2e-'))
      // As root the MCP servers run as somebody who has to get to their folders.
      chmodSync(home, 0o755)
      const server = await startServer({ home })
      t.after(async () => {
        await server.stop()
        rmSync(home, { recursive: true, force: true })
      })
      const environment = {
        PATH: `${import.meta.dirname}/bin:${root}/bin:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
        HOME: home,
        BEHALF_HOME: join(home, 'administrator'),
        BEHALF_URL: server.url,
      }
      const kept = new Map([
        ['code', server.code ?? ''],
        ['url', server.url],
        ['home', home],
        ['root', root],
      ])
      for (const block of parseScenario(readFileSync(join(import.meta.dirname, file), 'utf8'))) {
        // oxlint-disable-next-line no-await-in-loop -- blocks build on one another
        await t.test(block.title, async () => {
          for (const step of block.steps) {
            // oxlint-disable-next-line no-await-in-loop -- steps build on one another
            const ran = await runCommand(fill(step.command, kept), environment)
            const where = `e2e/${file}:${step.line}: $ ${step.command}\n${ran.output}`
            assert.equal(ran.status, step.status, where)
            for (const { name, path } of step.captures) kept.set(name, memberAt(ran.output, path))
            if (step.output.length > 0) assert(matches(ran.output, step.output, kept), where)
          }
        })
      }
    })
  }
})
