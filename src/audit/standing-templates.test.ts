/** Scopes that were proposed by a template: which stood, and who confirmed. */

import type { Entry, EntryOf } from './entry.ts'
import { at, created, digest, other, type RuleCase, testRules } from './testing-rules.ts'

const kept = (template?: string): Entry => ({
  ...at,
  kind: 'template_kept',
  archetype: 'archetype:clerk',
  name: 'refund',
  sentence: 'refund {id}',
  ...(template !== undefined && { template }),
})
const removed: Entry = {
  ...at,
  kind: 'template_removed',
  archetype: 'archetype:clerk',
  name: 'refund',
}
const ofAlice = { type: 'person' as const, person: 'per_alice', presence: 'session' as const }
const proposed = (
  more: Partial<EntryOf<'delegation_created'>> = {},
): EntryOf<'delegation_created'> =>
  created('dlg_9', {
    by: ofAlice,
    proposed: {
      by: 'model',
      model: 'small',
      template: { name: 'refund', digest },
      proposal: { sealed: digest, bytes: 1 },
    },
    ...more,
  })

const cases: readonly RuleCase[] = [
  ['a template that was kept is removed', [kept(), removed]],
  ['a template that was not kept is removed', [removed], 'proposed_scope'],
  ['a template is removed twice', [kept(), removed, removed], 'proposed_scope'],
  ['a scope proposed by a template that stands', [kept(digest), proposed()]],
  ['… of which an older entry has no digest', [kept(), proposed()]],
  ['a scope proposed by a template of other text', [kept(other), proposed()], 'proposed_scope'],
  ['… as it was before', [kept(digest), kept(other), proposed()], 'proposed_scope'],
  ['… that was removed before', [kept(digest), removed, proposed()], 'proposed_scope'],
  ['… and removed afterwards', [kept(digest), proposed(), removed]],
  [
    '… of another kind of agent',
    [kept(digest), proposed({ delegate: { archetype: 'cook' } })],
    'proposed_scope',
  ],
  [
    'a proposal that a program confirmed',
    [kept(digest), proposed({ by: at.by })],
    'proposed_scope',
  ],
  [
    'a proposal that somebody else confirmed',
    [kept(digest), proposed({ by: { ...ofAlice, person: 'per_paul' } })],
    'proposed_scope',
  ],
  [
    'a proposal below another delegation',
    [kept(digest), created('dlg_1'), proposed({ parent: 'dlg_1' })],
    'proposed_scope',
  ],
  [
    'a proposal from the words alone',
    [proposed({ proposed: { by: 'words', proposal: { sealed: digest, bytes: 1 } } })],
  ],
]

testRules(cases)
