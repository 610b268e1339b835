/** The log's invariants over the whole database. Stateful tests call `checkLog` after each step. */

import { sql } from 'kysely'
import { sha256 } from '../base/bytes.ts'
import type { Store } from '../store/store.ts'
import { prepareEntry } from './append.ts'
import { decodeEntry } from './entry.ts'
import { EntryRules } from './rules.ts'
import { edgeRoot, edgeTiles } from './tile.ts'
import { equalHashes, Frontier, leafInput } from './tree.ts'
import { loadTree } from './tree-store.ts'

interface EntryRow {
  index: number
  entry: Buffer
  leaf_hash: Buffer
  kind: string
  delegation: string | null
  parent: string | null
  outcome_of: number | null
}

/**
 * Throws, naming the entry, unless: indexes have no gap and end where the head says; leaf hashes and
 * lookup columns are those of the entries; the versions of subjects are their last entries; the rules
 * among entries hold; every kept checkpoint has the root of its prefix, and the tiles lead to the last.
 */
export async function checkLog(store: Store): Promise<void> {
  await store.snapshot(async (tx) => {
    const rows = await sql<EntryRow>`
      select index, entry, leaf_hash, kind, delegation, parent, outcome_of
      from log_entry order by index`.execute(tx)
    const head = await sql<{ size: number }>`select size from log_head`.execute(tx)
    const touched = await sql<{ subject: string; version: number }>`
      select subject, version from touched`.execute(tx)
    const checkpoints = await sql<{ size: number; root: Buffer }>`
      select size, root from log_checkpoint order by size`.execute(tx)
    expect(head.rows[0]?.size === rows.rows.length, 'log_head.size is the number of entries')

    const rules = new EntryRules()
    const frontier = new Frontier(sha256)
    const versions = new Map<string, number>()
    const roots = new Map<number, Uint8Array>([[0, await frontier.root()]])
    const wanted = new Set(checkpoints.rows.map((row) => row.size))
    for (const [index, row] of rows.rows.entries()) {
      expect(row.index === index, `entry ${index} is there`)
      checkRow(row)
      const entry = decodeEntry(row.entry)
      const broken = rules.check(index, entry)
      expect(broken === undefined, `entry ${index} keeps ${broken?.rule}: ${broken?.message}`)
      for (const subject of entry.touches ?? []) versions.set(subject, index)
      await frontier.push(row.leaf_hash)
      if (wanted.has(index + 1)) roots.set(index + 1, await frontier.root())
    }
    for (const { subject, version } of touched.rows) {
      expect(versions.get(subject) === version, `the version of \`${subject}\` is its last entry`)
    }
    expect(touched.rows.length === versions.size, 'every touched subject has a version')
    for (const { size, root } of checkpoints.rows) {
      expect(
        equalHashes(roots.get(size) ?? root.subarray(1), root),
        `checkpoint ${size} has its root`,
      )
    }
    const last = checkpoints.rows.at(-1)
    if (last === undefined) return
    const tree = await loadTree(tx, last.size)
    expect(tree !== undefined, `the tiles hold ${edgeTiles(last.size).length} right edges`)
    const root = await edgeRoot(tree?.edge.toReversed() ?? [], sha256)
    expect(equalHashes(root, last.root), `the tiles lead to the root of checkpoint ${last.size}`)
  })
}

function checkRow(row: EntryRow): void {
  const { index } = row
  expect(equalHashes(sha256(leafInput(row.entry)), row.leaf_hash), `entry ${index} has its hash`)
  const lookups = prepareEntry(decodeEntry(row.entry))
  expect(row.kind === lookups.kind, `entry ${index} is found by its kind`)
  expect(row.delegation === lookups.delegation, `entry ${index} is found by its delegation`)
  expect(row.parent === lookups.parent, `entry ${index} is found by its parent`)
  expect(row.outcome_of === lookups.outcomeOf, `entry ${index} is found by the call it ends`)
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the log is broken: expected that ${what}`)
}
