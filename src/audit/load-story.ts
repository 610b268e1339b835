/** Loads what the story of a delegation is told from. */

import type { Store } from '../store/store.ts'
import { delegationTree, entriesOfDelegations, signInsOf } from './queries.ts'
import { quotedIn, sessionsIn, type StoryInput } from './story.ts'
import type { Names } from './story-words.ts'
import type { Vault } from './vault.ts'

/** A story beyond this is told from its beginning only, and says so. */
const MOST_ENTRIES = 20_000

/** The entries of a delegation and of all below it, with the values that the story quotes. */
export function loadStory(
  delegation: string,
  env: { readonly store: Store; readonly vault: Vault },
  names?: Names,
): Promise<StoryInput> {
  return env.store.snapshot(async (tx) => {
    const tree = await delegationTree(tx, delegation)
    const found = await entriesOfDelegations(tx, tree, { limit: MOST_ENTRIES + 1 })
    const entries = found.slice(0, MOST_ENTRIES)
    const opened = await env.vault.openMany(tx, quotedIn(entries.map(({ entry }) => entry)))
    const sessions = sessionsIn(entries.map(({ entry }) => entry))
    const signIns = await signInsOf(tx, sessions, entries.at(-1)?.index ?? 0)
    const next = found[MOST_ENTRIES]
    return {
      entries,
      opened,
      signIns,
      ...(names === undefined ? {} : { names }),
      ...(next === undefined ? {} : { cutAt: next.index }),
    }
  })
}
