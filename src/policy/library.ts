/**
 * The starter library: small rules to begin with, each with its tests and what it costs its users.
 *
 * `listLibrary` names them, `withPiece` adds one to a folder's sets. A piece is policies to add to a set
 * and is then the office's own: the names and numbers in it are examples, and meant to be changed.
 */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must } from '../base/result.ts'
import type { PolicySources } from '../decision/compile.ts'
import { defaultPolicies, readPolicyFolder, readTestFolder } from './sources.ts'
import type { TestTexts } from './version.ts'

/** One piece of the library. */
export interface Piece {
  readonly name: string
  /** What it does, and what it costs its users: the comment that it begins with. */
  readonly about: string
  /** Policies to add, by set. */
  readonly sets: Partial<PolicySources>
  readonly tests: TestTexts
}

const FOLDER = fileURLToPath(new URL('library', import.meta.url))

/** Every piece, by name. */
export async function listLibrary(): Promise<Piece[]> {
  const names = (await readdir(FOLDER)).toSorted()
  return await Promise.all(names.map(readPiece))
}

/** The sets with the policies of a piece added; sets that are not there begin as the product's own. */
export async function withPiece(
  sets: Partial<PolicySources>,
  piece: Piece,
): Promise<Partial<PolicySources>> {
  const defaults = await defaultPolicies()
  const added = Object.entries(piece.sets).map(([name, text]) => {
    const before = sets[name as keyof PolicySources] ?? defaults[name as keyof PolicySources]
    return [name, `${before.trimEnd()}\n\n${text}`]
  })
  return { ...sets, ...Object.fromEntries(added) }
}

async function readPiece(name: string): Promise<Piece> {
  const sets = must(await readPolicyFolder(join(FOLDER, name)))
  const [first = ''] = Object.values(sets)
  const comment = /^(?:\/\/ .*\n)+/.exec(first)?.[0] ?? ''
  const about = comment.replaceAll(/^\/\/ /gm, '').trim()
  return { name, about, sets, tests: await readTestFolder(join(FOLDER, name)) }
}
