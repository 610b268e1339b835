import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { violations } from './layers.ts'

const src = import.meta.dirname
const real = new Map(
  globSync('**/*.ts', { cwd: src })
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => [file, readFileSync(`${src}/${file}`, 'utf8')]),
)

test('src/ keeps its import rules', () => {
  assert.deepEqual(violations(real), [])
})

for (const [name, file, text, want] of [
  [
    'a forbidden import',
    'audit/x.ts',
    "import { t } from '../token/exchange.ts'",
    'audit/x.ts imports token/exchange.ts',
  ],
  [
    'a type-only import',
    'audit/x.ts',
    "import type { T } from '../token/exchange.ts'",
    'audit/x.ts imports token/exchange.ts',
  ],
  [
    'a dynamic import',
    'audit/x.ts',
    "await import('../token/exchange.ts')",
    'audit/x.ts imports token/exchange.ts',
  ],
  [
    'a re-export',
    'audit/x.ts',
    "export { t } from '../token/exchange.ts'",
    'audit/x.ts imports token/exchange.ts',
  ],
  [
    'an import over several lines',
    'audit/x.ts',
    "import {\n  t,\n} from '../token/exchange.ts'",
    'audit/x.ts imports token/exchange.ts',
  ],
  [
    'policy that knows wire formats',
    'decision/x.ts',
    "import { t } from '../token/exchange.ts'",
    'decision/x.ts imports token/exchange.ts',
  ],
  [
    'a private file of a published room',
    'client/x.ts',
    "import { a } from '../audit/append.ts'",
    'client/x.ts imports audit/append.ts',
  ],
  ['an unlisted folder', 'utils/x.ts', '', 'utils/ is not in MAY_IMPORT'],
] as const) {
  test(`catches ${name}`, () => {
    assert(violations(new Map([...real, [file, text]])).includes(want))
  })
}

test('catches a reach through another folder', () => {
  const planted = new Map([
    ...real,
    ['audit/proof.ts', "import { readFileSync } from 'node:fs'"],
    ['client/client.ts', "import { p } from '../audit/proof.ts'"],
  ])
  assert(
    violations(planted).includes(
      'client/client.ts reaches node:: the client runs in browsers and workers',
    ),
  )
})
