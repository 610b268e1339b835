/** The policies in `docs/policies.md` load as they stand there, and its tables know every action. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compileSet } from '../src/decision/compile.ts'
import { SET_NAMES } from '../src/decision/policy-set.ts'
import { METHOD_NAMES, OPERATION_NAMES } from '../src/decision/schema.ts'

const page = readFileSync(join(import.meta.dirname, '../docs/policies.md'), 'utf8')

for (const [, file = '', text = ''] of page.matchAll(
  /^```cedar\n\/\/ (\w+)\.cedar\n([^]*?)^```$/gm,
)) {
  test(`docs/policies.md: the policies of ${file}.cedar load`, () => {
    const name = SET_NAMES.find((set) => set === file)
    assert(name !== undefined)
    const problems: string[] = []
    assert(compileSet(name, text, problems).policies.size > 0)
    assert.deepEqual(problems, [])
  })
}

test('docs/policies.md names every operation, and every method but the lists by name', () => {
  const named = new Set([...page.matchAll(/`([\w/.-]+)`/g)].map(([, name]) => name))
  const lists = METHOD_NAMES.filter((method) => method.endsWith('/list') && method !== 'roots/list')
  const wanted = [...OPERATION_NAMES, ...METHOD_NAMES.filter((method) => !lists.includes(method))]
  assert.deepEqual(
    wanted.filter((name) => !named.has(name)),
    [],
  )
})
