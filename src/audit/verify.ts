/**
 * Verifies a whole log from its tiles alone, trusting keys and nothing else.
 *
 * Call `verifyLog`. It checks the signatures of the checkpoint, folds the tiles to the signed root from
 * the top down, hashes every entry against its leaf, reads every entry and checks the rules that they
 * keep among each other (`rules.ts`). What it finds first is named by its place: the index of the entry,
 * or the path of the tile.
 *
 * A log that verifies is one that its operator signed. That the operator shows everybody the same log
 * is the word of witnesses: up to `witnessed.size` it holds against the operator too.
 */

import { refuse, type Result } from '../base/result.ts'
import { decodeEntry, type Entry } from './entry.ts'
import { splitBundle } from './entry-bundle.ts'
import { Finding, type LogFault } from './log-fault.ts'
import { parseVerifierKey } from './note.ts'
import { EntryRules } from './rules.ts'
import { TILE_WIDTH, tilePath, type TileSource } from './tile.ts'
import { equalHashes, Frontier, leafInput, webSha256, type Sha256 } from './tree.ts'
import { fetchTile, verifiedLeaves } from './verified-leaves.ts'
import { openCheckpoint, type Checkpoint, type TreeHead, type TrustedKeys } from './tree-head.ts'

/** Which log to verify, and against what. */
export interface LogTrust {
  /** The log's verifier key (C2SP signed-note). */
  readonly log: string
  /** Verifier keys of witnesses. */
  readonly witnesses?: readonly string[]
  /** A checkpoint of this log that was kept earlier: the log must continue it. */
  readonly since?: string
}

/** What a log that verifies amounts to. */
export interface VerifiedLog {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  /** The largest tree that a witness cosigned, and who did. */
  readonly witnessed?: { readonly size: number; readonly by: readonly string[] }
  readonly standing: 'witnessed' | 'operator-signed only'
  /** The size of the earlier checkpoint that the log continues. */
  readonly since?: number
}

/** What verification may be given beside the log. */
export interface VerifyEnv {
  /** Defaults to WebCrypto; a synchronous one is several times faster. */
  readonly sha256?: Sha256
  /** Called with each entry after it was verified, in order. */
  readonly onEntry?: (index: number, entry: Entry) => void
}

/** The path of the largest checkpoint that a witness cosigned, beside `checkpoint`; ours, not C2SP's. */
export const WITNESSED_PATH = 'checkpoint.witnessed'

/** Verifies the log that `source` serves: all of it, or the first thing that is wrong. */
export async function verifyLog(
  source: TileSource,
  trust: LogTrust,
  env: VerifyEnv = {},
): Promise<Result<VerifiedLog, LogFault>> {
  try {
    return { ok: true, value: await verify(source, trust, env) }
  } catch (error) {
    if (error instanceof Finding) return refuse(error.fault)
    throw error
  }
}

async function verify(source: TileSource, trust: LogTrust, env: VerifyEnv): Promise<VerifiedLog> {
  const keys = await trustedKeys(trust)
  const since = trust.since === undefined ? undefined : await accepted(trust.since, keys, 'since')
  // Before `checkpoint`: the log may grow in between, and must not seem to have shrunk.
  const witnessedNote = await source(WITNESSED_PATH)
  const note = await source('checkpoint')
  if (note === undefined) throw new Finding('checkpoint_missing', 'expected a checkpoint, got none')
  const head = await accepted(textOf(note), keys, 'checkpoint')
  const witnessed = witnessedNote && (await accepted(textOf(witnessedNote), keys, WITNESSED_PATH))
  const cosigned = largestCosigned([head, since, witnessed])
  await verifyContents(source, { head, earlier: [since, witnessed], env })
  return {
    origin: head.origin,
    size: head.size,
    root: head.root,
    standing: cosigned === undefined ? 'operator-signed only' : 'witnessed',
    ...(cosigned && {
      witnessed: { size: cosigned.size, by: cosigned.cosignatures.map((c) => c.witness) },
    }),
    ...(since && { since: since.size }),
  }
}

async function trustedKeys(trust: LogTrust): Promise<TrustedKeys> {
  const [log, ...witnesses] = await Promise.all(
    [trust.log, ...(trust.witnesses ?? [])].map(async (vkey, i) => {
      const key = await parseVerifierKey(vkey)
      if (!key.ok) throw new Finding('malformed_key', key.error.message)
      if (key.value.type === (i === 0 ? 'log' : 'witness')) return key.value
      throw new Finding('malformed_key', `expected \`${key.value.name}\` to be of the other type`)
    }),
  )
  if (log === undefined) throw new Finding('malformed_key', 'expected a key, got none')
  return { log, witnesses }
}

async function accepted(note: string, keys: TrustedKeys, path: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(note, keys)
  if (checkpoint.ok) return checkpoint.value
  throw new Finding('checkpoint_refused', checkpoint.error.message, { path })
}

function largestCosigned(heads: readonly (Checkpoint | undefined)[]): Checkpoint | undefined {
  return heads
    .filter((head) => head !== undefined && head.cosignatures.length > 0)
    .toSorted((a, b) => (a?.size ?? 0) - (b?.size ?? 0))
    .at(-1)
}

interface Work {
  readonly head: TreeHead
  readonly earlier: readonly (TreeHead | undefined)[]
  readonly env: VerifyEnv
}

/** Every tile and every entry, in order; and on the way the roots of the earlier trees. */
async function verifyContents(source: TileSource, { head, earlier, env }: Work): Promise<void> {
  const sha256 = env.sha256 ?? webSha256
  const continued = new Continuation(earlier, head, sha256)
  await continued.check()
  const rules = new EntryRules()
  for await (const tile of verifiedLeaves(source, head, sha256)) {
    const path = tilePath({ level: 'entries', index: tile.index, width: tile.hashes.length })
    const entries = splitBundle((await fetchTile(source, path)) ?? new Uint8Array(0))
    for (const [offset, leafHash] of tile.hashes.entries()) {
      const index = tile.index * TILE_WIDTH + offset
      const bytes = entries[offset]
      if (bytes === undefined)
        throw new Finding('entry_missing', `expected entry ${index}`, { index, path })
      if (!equalHashes(await sha256(leafInput(bytes)), leafHash)) {
        const message = `entry ${index} is not the one that was signed`
        throw new Finding('entry_altered', message, { index, path })
      }
      const entry = read(bytes, index)
      const broken = rules.check(index, entry)
      if (broken) throw new Finding('rule_broken', `${broken.rule}: ${broken.message}`, { index })
      env.onEntry?.(index, entry)
      await continued.push(leafHash)
    }
  }
}

function read(bytes: Uint8Array, index: number): Entry {
  try {
    return decodeEntry(bytes)
  } catch (cause) {
    const what = cause instanceof Error ? cause.name : 'fault'
    throw new Finding('entry_malformed', `entry ${index} cannot be read: ${what}`, { index })
  }
}

/** Compares the roots of earlier trees with the tree that grows again, leaf by leaf. */
class Continuation {
  readonly #frontier: Frontier
  readonly #earlier: readonly TreeHead[]

  constructor(earlier: readonly (TreeHead | undefined)[], head: TreeHead, sha256: Sha256) {
    this.#frontier = new Frontier(sha256)
    this.#earlier = earlier.filter((tree) => tree !== undefined)
    for (const { size } of this.#earlier) {
      if (size <= head.size) continue
      throw new Finding('log_shrunk', `expected at least ${size} entries, got ${head.size}`)
    }
  }

  async push(leafHash: Uint8Array): Promise<void> {
    await this.#frontier.push(leafHash)
    await this.check()
  }

  async check(): Promise<void> {
    for (const { size, root } of this.#earlier) {
      if (size !== this.#frontier.size) continue
      if (equalHashes(root, await this.#frontier.root())) continue
      throw new Finding('log_forked', `the first ${size} entries are not those signed earlier`)
    }
  }
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
