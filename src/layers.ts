/**
 * The import rules of src/, as data and as a check. `layers.test.ts` enforces it.
 *
 * Dependencies point one way: from what decides to what it decides about. A row says what a folder may
 * import; a reason stands where the absence of one would surprise.
 */

import { dirname, join } from 'node:path'

const BASE = ['base']
const RECORD = ['base', 'store', 'audit', 'keys']
const DELEGATION = [...RECORD, 'people', 'identity', 'registry', 'accountability', 'mcp']
const DECISION = [...DELEGATION, 'delegation']

/** What each folder of src/ may import. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  store: BASE,
  sandbox: BASE,
  mcp: BASE,
  api: BASE,
  keys: ['base', 'store', 'audit'],
  // Verifiable without trusting what it records: the log knows nothing of the rooms that write it.
  audit: ['base', 'store'],
  people: RECORD,
  identity: RECORD,
  // What a registration asks of the sandbox is judged by the sandbox's own rules.
  registry: ['base', 'store', 'audit', 'keys', 'mcp', 'people', 'sandbox'],
  accountability: ['base', 'store', 'audit', 'people', 'identity'],
  delegation: DELEGATION,
  // Policy judges facts, not wire formats: never token, never gateway.
  decision: DECISION,
  policy: [...DECISION, 'decision'],
  token: [...DECISION, 'decision'],
  approval: [...DECISION, 'decision'],
  channel: [...RECORD, 'people', 'identity', 'delegation'],
  upstream: [...RECORD, 'mcp', 'people', 'identity', 'registry', 'token', 'sandbox'],
  gateway: [...DECISION, 'decision', 'policy', 'token', 'channel', 'approval', 'upstream'],
  client: ['base', 'api', 'audit', 'token', 'mcp'],
  app: [
    ...DECISION,
    'decision',
    'policy',
    'token',
    'channel',
    'approval',
    'upstream',
    'gateway',
    'sandbox',
    'client',
    'api',
  ],
  // `sandbox check` and `run` concern this machine: no installation takes part.
  cli: ['base', 'api', 'app', 'client', 'audit', 'sandbox', 'decision', 'policy'],
}

/** Files of another folder that a folder may import although its row lets it see only some of them. */
export const ONLY: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  registry: { sandbox: ['sandbox/egress.ts', 'sandbox/limits.ts'] },
  client: {
    audit: [
      'audit/entry.ts',
      'audit/tree.ts',
      'audit/proof.ts',
      'audit/note.ts',
      'audit/tile.ts',
      'audit/verify.ts',
      'audit/receipt.ts',
      'audit/witness.ts',
      'audit/story.ts',
    ],
    token: ['token/act-chain.ts', 'token/verify.ts'],
  },
  // The commands for auditors do their checking themselves, on what any copy of the log holds.
  cli: {
    audit: [
      'audit/note.ts',
      'audit/note-signer.ts',
      'audit/receipt.ts',
      'audit/tile.ts',
      'audit/tile-source.ts',
      'audit/verify.ts',
      'audit/witness.ts',
      'audit/witness-state.ts',
    ],
    // Authors of policies compile, test, lint and format them where there is no server.
    decision: ['decision/compile.ts', 'decision/policy-set.ts'],
    policy: [
      'policy/sources.ts',
      'policy/run-tests.ts',
      'policy/library.ts',
      'policy/lint.ts',
      'policy/lint-names.ts',
      'policy/format.ts',
      'policy/difference.ts',
      'policy/counterexample.ts',
    ],
  },
}

/** Modules a folder or file must not reach, even through others, and why. */
export const MUST_NOT_REACH: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'client/client.ts': { 'node:': 'the client runs in browsers and workers' },
  ...Object.fromEntries(
    ['entry', 'tree', 'proof', 'note', 'tile', 'receipt', 'verify', 'witness', 'story'].map(
      (name) => [`audit/${name}.ts`, { 'node:': 'the log is verified in browsers' }],
    ),
  ),
  'token/verify.ts': { 'node:': 'resource servers of any kind verify our tokens' },
}

/** Path under src/ → source text, for every module that is not a test. */
export type Sources = ReadonlyMap<string, string>

const IMPORT =
  /(?:^|[;\s])(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g

function imports(file: string, text: string): string[] {
  return [...text.matchAll(IMPORT)].map(([, from, bare]) => {
    const specifier = from ?? bare ?? ''
    return specifier.startsWith('.') ? join(dirname(file), specifier) : specifier
  })
}

function folder(path: string): string {
  return path.split('/')[0] ?? ''
}

/** Every broken rule, as one line each; empty when the tree is in order. */
export function violations(sources: Sources): string[] {
  const found: string[] = []
  for (const name of new Set([...sources.keys()].filter((f) => f.includes('/')).map(folder))) {
    if (!(name in MAY_IMPORT)) found.push(`${name}/ is not in MAY_IMPORT`)
  }
  for (const name of Object.keys(MAY_IMPORT)) {
    if (![...sources.keys()].some((f) => folder(f) === name)) {
      found.push(`${name}/ is in MAY_IMPORT and has no files`)
    }
  }
  for (const [file, text] of sources) {
    const from = folder(file)
    for (const to of imports(file, text)) {
      if (!sources.has(to) || folder(to) === from || MAY_IMPORT[from] === undefined) continue
      const only = ONLY[from]?.[folder(to)]
      if (!MAY_IMPORT[from].includes(folder(to)) || (only !== undefined && !only.includes(to))) {
        found.push(`${file} imports ${to}`)
      }
    }
    for (const [banned, why] of Object.entries(MUST_NOT_REACH[file] ?? {})) {
      if (reaches(file, banned, sources, new Set())) found.push(`${file} reaches ${banned}: ${why}`)
    }
  }
  return found
}

function reaches(file: string, banned: string, sources: Sources, seen: Set<string>): boolean {
  if (seen.has(file)) return false
  seen.add(file)
  return imports(file, sources.get(file) ?? '').some(
    (to) => to.startsWith(banned) || reaches(to, banned, sources, seen),
  )
}
