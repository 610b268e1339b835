/** What is written stays true to what is there: links of pages lead somewhere, exported symbols are explained. */

import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')

test('every relative link of every page leads to a file, and its anchor to a heading', () => {
  assert.deepEqual(pages().flatMap(brokenLinks), [])
})

test('docs/dependencies.md names every package of package.json, and no other', () => {
  const named = [...read('docs/dependencies.md').matchAll(/^\| (`.+?) \|/gm)].flatMap(
    ([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  )
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  const kinds = ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies']
  const wanted = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}))
  assert.deepEqual(new Set(named), new Set(wanted))
})

test('every exported symbol of src/ has a doc comment', () => {
  assert.deepEqual(
    globSync('src/**/*.ts', { cwd: root })
      .filter((file) => !file.endsWith('.test.ts'))
      .toSorted()
      .flatMap((file) => unexplained(file, read(file))),
    [],
  )
})

for (const [name, text, want] of [
  ['nothing above', 'export const a = 1', ['x.ts:1 a']],
  ['another symbol above', '/** A. */\nexport const a = 1\nexport const b = 2', ['x.ts:3 b']],
  ['an ordinary comment', '// A.\nexport class A {}', ['x.ts:2 A']],
  ['a doc comment', '/** A. */\nexport async function a() {}', []],
  ['a row of the API, by its summary', 'export const a = operation({', []],
  ['overloads', '/** A. */\nexport function a(): 1\nexport function a(b?: 2) {}', []],
] as const) {
  test(`exported symbols: ${name}`, () => {
    assert.deepEqual(unexplained('x.ts', text), want)
  })
}

function pages(): string[] {
  const found = globSync('**/*.md', {
    cwd: root,
    exclude: (name) => name === 'node_modules' || name === '.git',
  })
  assert(found.includes('README.md'))
  return found.toSorted()
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** `[text](target)`, outside of code. */
const LINK = /\[[^\]\n]*\]\((?<target>[^)\s]+)\)/g
const CODE = /^```[^]*?^```$|`[^`\n]*`/gm

function brokenLinks(page: string): string[] {
  return [...read(page).replaceAll(CODE, '').matchAll(LINK)]
    .map((link) => link.groups?.['target'] ?? '')
    .filter((target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(page, target))
    .map((target) => `${page}: ${target}`)
}

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : join(dirname(page), path)
  if (!existsSync(join(root, file))) return false
  return anchor === undefined || anchorsOf(read(file)).includes(anchor)
}

/** As GitHub makes them: lower case, no punctuation, hyphens for blanks. */
function anchorsOf(text: string): string[] {
  return [...text.replaceAll(/^```[^]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)].map(
    ([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
  )
}

const EXPORTED =
  /^export (?:abstract )?(?:async )?(?:function\*?|class|const|let|interface|type|enum) (?<name>\w+)/

function unexplained(file: string, text: string): string[] {
  const lines = text.split('\n')
  return lines.flatMap((line, i) => {
    const name = EXPORTED.exec(line)?.groups?.['name']
    if (name === undefined) return []
    const above = (lines[i - 1] ?? '').startsWith('// oxlint-disable') ? lines[i - 2] : lines[i - 1]
    // A row of the administration API says in `summary` what it is: OpenAPI and help print that sentence.
    const explained =
      above?.trimEnd().endsWith('*/') ||
      above?.startsWith(`export function ${name}`) ||
      line.endsWith('= operation({')
    return explained ? [] : [`${file}:${i + 1} ${name}`]
  })
}
