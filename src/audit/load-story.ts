/** Loads what the story of a delegation is told from. */

import type { Store } from '../store/store.ts'
import { delegationTree, entriesOfDelegations } from './queries.ts'
import { quotedIn, type StoryInput } from './story.ts'
import type { Names } from './story-words.ts'
import type { Vault } from './vault.ts'

/** The entries of a delegation and of all below it, with the values that the story quotes. */
export function loadStory(
  delegation: string,
  env: { readonly store: Store; readonly vault: Vault },
  names?: Names,
): Promise<StoryInput> {
  return env.store.snapshot(async (tx) => {
    const entries = await entriesOfDelegations(tx, await delegationTree(tx, delegation))
    const opened = await env.vault.openMany(tx, quotedIn(entries.map(({ entry }) => entry)))
    return { entries, opened, ...(names === undefined ? {} : { names }) }
  })
}
