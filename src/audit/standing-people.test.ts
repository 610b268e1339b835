/** Rows that were added beside the log: memberships, owners, managers, rotations, keys. */

import type { Entry, EntryOf } from './entry.ts'
import { at, created, digest, type RuleCase, testRules, token } from './testing-rules.ts'
import { testIntended } from './testing.ts'

const office: Entry[] = [
  { ...at, kind: 'person_created', person: 'per_alice', profile: { sealed: digest, bytes: 1 } },
  { ...at, kind: 'person_created', person: 'per_paul', profile: { sealed: digest, bytes: 1 } },
  { ...at, kind: 'group_member_added', group: 'grp_partners', person: 'per_paul' },
  {
    ...at,
    kind: 'agent_created',
    agent: 'agt_1',
    spiffeId: 'spiffe://acme.example/agent/clerk/1',
    archetype: 'archetype:clerk',
    selectors: [],
    accountable: { person: 'per_paul', name: 'Paul', path: [] },
  },
  { ...at, kind: 'owner_assigned', owned: 'archetype:clerk', owner: 'grp_partners' },
  {
    ...at,
    kind: 'rotation_set',
    group: 'grp_partners',
    rotation: { members: ['per_paul'], start: 's', timeZone: 'UTC', shift: 'P7D' },
  },
  created('dlg_1'),
]
/** A call that took people to be in these groups, or somebody to answer by this path. */
const grouped = (groups: readonly string[]): Entry =>
  testIntended('c', {
    facts: {
      archetypes: ['clerk'],
      people: [{ person: 'per_alice', groups: [...groups] }],
      depth: 0,
      type: 'tool',
      class: 'read',
      consequential: false,
      serverState: 'reviewed',
      sinks: [],
      context: {},
    },
  })
type Path = NonNullable<EntryOf<'call_intended'>['accountable']>['path']
const answered = (...path: Path): Entry =>
  testIntended('c', {
    accountable: { person: path.at(-1)?.subject ?? '', name: 'N', path },
  })
const agentStep = { via: 'agent', subject: 'agt_1' } as const
const clerkStep = { via: 'archetype', subject: 'archetype:clerk' } as const
const partnersStep = { via: 'rotation', subject: 'grp_partners' } as const
const paulStep = { via: 'person', subject: 'per_paul' } as const
const aliceStep = { via: 'person', subject: 'per_alice' } as const
const joined: Entry = {
  ...at,
  kind: 'group_member_added',
  group: 'grp_partners',
  person: 'per_alice',
}
const left: Entry = { ...joined, kind: 'group_member_removed' }
const override: Entry = {
  ...at,
  kind: 'override_set',
  group: 'grp_partners',
  person: 'per_alice',
  from: Math.floor(at.time / 1_000),
  until: Math.floor(at.time / 1_000) + 3_600,
}
const keyed = (jkt: string): Entry => ({ ...token, jkt })

const cases: readonly RuleCase[] = [
  ['a call of somebody in no group', [...office, grouped([])]],
  ['a call of a member', [...office, joined, grouped(['grp_partners'])]],
  ['a call of a member who has left', [...office, joined, left, grouped([])]],
  ['a call of whom the log never saw come', [created('dlg_1'), grouped(['grp_partners'])]],
  ['a membership from nowhere', [...office, grouped(['grp_partners'])], 'group_membership'],
  [
    'a membership that was left',
    [...office, joined, left, grouped(['grp_partners'])],
    'group_membership',
  ],
  ['a membership that was hidden', [...office, joined, grouped([])], 'group_membership'],
  ['who answers, on rotation', [...office, answered(agentStep, clerkStep, partnersStep, paulStep)]],
  [
    'who answers, by override',
    [...office, joined, override, answered(agentStep, clerkStep, partnersStep, aliceStep)],
  ],
  [
    'who answers, an owner of the agent',
    [
      ...office,
      { ...at, kind: 'owner_assigned', owned: 'agt_1', owner: 'per_alice' },
      answered(agentStep, aliceStep),
    ],
  ],
  [
    'who answers, a manager',
    [
      ...office,
      { ...at, kind: 'owner_assigned', owned: 'agt_1', owner: 'per_paul' },
      { ...at, kind: 'manager_assigned', person: 'per_paul', manager: 'per_alice' },
      answered(agentStep, paulStep, { via: 'manager', subject: 'per_alice' }),
    ],
  ],
  ...(
    [
      ['an owner from nowhere', [...office, answered(agentStep, aliceStep)]],
      ['another owner of the kind', [...office, answered(agentStep, clerkStep, aliceStep)]],
      [
        'nobody of the rotation',
        [...office, joined, answered(agentStep, clerkStep, partnersStep, aliceStep)],
      ],
      [
        'an override for who is no member',
        [...office, override, answered(agentStep, clerkStep, partnersStep, aliceStep)],
      ],
      [
        'an owner that was taken away',
        [
          ...office,
          { ...at, kind: 'owner_assigned', owned: 'archetype:clerk', owner: null },
          answered(agentStep, clerkStep, partnersStep, paulStep),
        ],
      ],
      [
        'a manager from nowhere',
        [
          ...office,
          { ...at, kind: 'owner_assigned', owned: 'agt_1', owner: 'per_paul' },
          answered(agentStep, paulStep, { via: 'manager', subject: 'per_alice' }),
        ],
      ],
      ['a path that begins elsewhere', [...office, answered(clerkStep, partnersStep, paulStep)]],
    ] satisfies [string, Entry[]][]
  ).map(([name, entries]): RuleCase => [`who answers, by ${name}`, entries, 'accountable_person']),
  ['tokens for one key', [created('dlg_1'), keyed('a'), keyed('a')]],
  ['a token for another key', [created('dlg_1'), keyed('a'), keyed('b')], 'agent_key'],
]

testRules(cases)
