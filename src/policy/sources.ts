/**
 * Policy files: a folder with one `<set>.cedar` per set.
 *
 * `defaultPolicies` are those that come with the product; `readPolicyFolder` reads an organisation's own,
 * which replace the sets that they name. Files of any other name ending in `.cedar` are refused: a policy
 * that is not loaded protects nobody.
 */

import { readdir, readFile, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { must, ok, refuse, type Result } from '../base/result.ts'
import {
  MAX_SET_CHARACTERS,
  type InvalidPolicies,
  type PolicySources,
} from '../decision/compile.ts'
import { SET_NAMES, type SetName } from '../decision/policy-set.ts'
import type { TestTexts } from './version.ts'

/** The sets that come with the product: complete, and permitting no agent anything but to look. */
export async function defaultPolicies(): Promise<PolicySources> {
  const sources = must(await readPolicyFolder(fileURLToPath(new URL('default', import.meta.url))))
  const missing = SET_NAMES.find((name) => sources[name] === undefined)
  if (missing !== undefined) throw new Error(`expected the file \`${missing}.cedar\``)
  return sources as PolicySources
}

/** Reads the tests and properties of a folder, and of its folder `tests`: `*.test.json` and `*.property.json`, by path. */
export async function readTestFolder(folder: string): Promise<TestTexts> {
  const files = (await readdir(folder, { recursive: true }))
    .filter((file) => /^(?:tests\/)?[^/]+\.(?:test|property)\.json$/.test(file))
    .toSorted()
  const texts: Record<string, string> = {}
  for (const file of files) texts[file] = await readFile(join(folder, file), 'utf8')
  return texts
}

/** Reads the sets that a folder holds. A folder that cannot be read is a fault. */
export async function readPolicyFolder(
  folder: string,
): Promise<Result<Partial<PolicySources>, InvalidPolicies>> {
  const sources: Partial<Record<SetName, string>> = {}
  const problems: string[] = []
  for (const file of (await readdir(folder)).toSorted()) {
    if (!file.endsWith('.cedar')) continue
    const name = SET_NAMES.find((set) => `${set}.cedar` === file)
    const { size } = await stat(join(folder, file))
    if (name === undefined) problems.push(`\`${file}\`: expected one of ${SET_NAMES.join(', ')}`)
    else if (size > MAX_SET_CHARACTERS)
      problems.push(`\`${file}\`: expected at most ${MAX_SET_CHARACTERS} bytes`)
    else sources[name] = await readFile(join(folder, file), 'utf8')
  }
  if (problems.length === 0) return ok(sources)
  return refuse({ reason: 'invalid_policies', message: problems[0] ?? '', problems })
}
