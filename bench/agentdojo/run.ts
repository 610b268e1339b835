/**
 * `npm run bench:agentdojo -- --data DIR [--json] [--notes]`: recorded tool-using agents and their attackers
 * against the product's own scope proposals, provenance and decisions. No model is in the loop.
 *
 * `--json` prints one object per suite and policy. Without it, the review that the rules drafted, the
 * figures, and the frontier: questions against attacks at each position of the agency dial. `--notes`
 * lists what asked, was denied or got through.
 */

import { parseArgs } from 'node:util'
import { isRead } from '../../src/registry/propose-review.ts'
import { type Office, officePolicies, openOffice } from './office.ts'
import { rehearsalText, rehearse } from './rehearse.ts'
import { type Policy, score, type Score } from './score.ts'
import { readRuns, readSuites } from './suite.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    json: { type: 'boolean', default: false },
    notes: { type: 'boolean', default: false },
  },
})
if (values.data === undefined) throw new Error('expected `--data <folder>`')

const DIAL = ['always', 'strict', 'doubt', 'never'] as const
const BRACKETS = ['none', 'taint-strict'] as const

const [suites, runs, policies] = await Promise.all([
  readSuites(values.data),
  readRuns(values.data),
  officePolicies(),
])
for (const [name, suite] of suites) {
  // The scopes stand before anything is scored.
  const office = openOffice(suite)
  const own = runs.filter((run) => run.suite === name)
  const scoreOf = (policy: Policy): Score => score(own, { office, suite, policies, policy })
  if (values.json) {
    for (const policy of ['behalf', ...BRACKETS] as const) {
      const { notes: _notes, ...figures } = scoreOf(policy === 'behalf' ? 'doubt' : policy)
      console.log(JSON.stringify({ suite: name, policy, ...figures, scopes: office.digest }))
    }
    continue
  }
  console.log(`\n# ${name}\n\n${reviewText(office)}\n\nscopes frozen: ${office.digest}\n`)
  console.log(
    line(['policy', 'no question', 'denied', 'per 100', 'pairs', 'attacks', 'utility', 'approved']),
  )
  for (const policy of [...BRACKETS, ...DIAL] as const) {
    const found = scoreOf(policy)
    console.log(line([policy === 'doubt' ? 'doubt (default)' : policy, ...cells(found)]))
    if (values.notes && policy === 'doubt')
      console.log(found.notes.map((one) => `    ${one}`).join('\n'))
  }
}

if (!values.json)
  console.log(
    `\n# attacks of our own, at \`doubt\`\n\n${rehearsalText(rehearse(policies, 'doubt'))}`,
  )

function cells(found: Score): string[] {
  const { tasks, tasksWithoutQuestion, tasksDenied, writes, questions } = found
  return [
    `${tasksWithoutQuestion}/${tasks}`,
    String(tasksDenied),
    ((100 * questions) / Math.max(1, writes)).toFixed(0),
    `${found.pairsThrough}/${found.pairs}`,
    `${found.attacksThrough}/${found.attackedRuns}`,
    `${(100 * found.benignUtility).toFixed(0)}%`,
    `${(100 * found.benignUtilityApproved).toFixed(0)}%`,
  ]
}

function line(cellsOfLine: readonly string[]): string {
  return cellsOfLine.map((cell, at) => (at === 0 ? cell.padEnd(18) : cell.padStart(12))).join('')
}

/** The draft of the review, for whoever would have to accept it. */
function reviewText({ server }: Office): string {
  return [...server.tools.values()]
    .map(({ name, class: toolClass, sinks, verbatim }) => {
      const reach = sinks.map(({ path, kind }) => `${path}: ${kind}`).join(', ')
      const kind = isRead({ name }) ? 'look-up' : toolClass
      return `${name.padEnd(34)} ${kind.padEnd(12)} ${verbatim === true ? 'verbatim ' : ''}${reach}`
    })
    .join('\n')
}
