import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Entry, EntryOf } from './entry.ts'
import { EntryRules, type BrokenRule } from './rules.ts'
import { testEntry, testIntended, testOutcome } from './testing.ts'

const digest = `sha256:${'a'.repeat(64)}`
const other = `sha256:${'b'.repeat(64)}`
const { v, time, by } = testEntry('grp_a')
const common = { v, time, by, approval: 'apr_1', delegation: 'dlg_1' }
const requested: EntryOf<'approval_requested'> = {
  ...common,
  kind: 'approval_requested',
  call: 'c1',
  server: 'srv_docs',
  action: 'tools/call:file',
  definition: digest,
  argumentsDigest: digest,
  entitled: 'grp_partners',
  shown: { sealed: digest, bytes: 10 },
  expiresAt: 1_767_225_900_000,
}
const decided = (decision: 'approved' | 'denied'): Entry => ({
  ...common,
  kind: 'approval_decided',
  decision,
  shown: digest,
})
const voided: Entry = { ...common, kind: 'approval_voided', reason: 'another call' }
const approved = (more: Partial<EntryOf<'call_intended'>> = {}): Entry => {
  const { approval, action, definition, argumentsDigest } = requested
  return testIntended('c2', { approval, action, definition, argumentsDigest, ...more })
}

const created = (
  delegation: string,
  more: Partial<EntryOf<'delegation_created'>> = {},
): EntryOf<'delegation_created'> => ({
  v,
  time,
  by,
  kind: 'delegation_created',
  delegation,
  person: 'per_alice',
  delegate: { archetype: 'clerk', agent: 'agt_1' },
  purpose: { sealed: digest, bytes: 1 },
  details: { sealed: digest, bytes: 1 },
  stages: [],
  stage: null,
  expiresAt: 1_767_225_900,
  ...more,
})
const below = created('dlg_2', {
  parent: 'dlg_1',
  delegate: { archetype: 'clerk', agent: 'agt_2' },
  stage: 'collect',
})
const staged = created('dlg_1', { stages: ['collect', 'draft'], stage: 'collect' })
const moved: Entry = {
  v,
  time,
  by,
  kind: 'stage_moved',
  delegation: 'dlg_1',
  from: 'collect',
  to: 'draft',
}
const kept = (template?: string): Entry => ({
  v,
  time,
  by,
  kind: 'template_kept',
  archetype: 'archetype:clerk',
  name: 'refund',
  sentence: 'refund {id}',
  ...(template !== undefined && { template }),
})
const removed: Entry = {
  v,
  time,
  by,
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
const byBoth = (more: Partial<EntryOf<'call_intended'>> = {}): Entry =>
  testIntended('c', { delegation: 'dlg_2', agents: ['agt_2', 'agt_1'], stage: 'collect', ...more })
const forAny = created('dlg_1', { delegate: { archetype: 'clerk' } })
const claimed: Entry = {
  v,
  time,
  by,
  kind: 'delegation_claimed',
  delegation: 'dlg_1',
  agent: 'agt_1',
}
const token: EntryOf<'token_issued'> = {
  v,
  time,
  by,
  kind: 'token_issued',
  delegation: 'dlg_1',
  agent: 'agt_1',
  jti: 'tok_1',
  audience: 'https://behalf.example/mcp',
  boundBy: 'dpop',
  expiresAt: 1_767_225_900,
}
const about = { v, time, by, delegation: 'dlg_1', reason: 'why' }
const revoked: Entry = { ...about, kind: 'delegation_revoked' }
const completed: Entry = { v, time, by, delegation: 'dlg_1', kind: 'delegation_completed' }
const suspended: Entry = { ...about, kind: 'delegation_suspended' }
const resumed: Entry = { v, time, by, delegation: 'dlg_1', kind: 'delegation_resumed' }
const agentStopped: Entry = { v, time, by, kind: 'agent_suspended', agent: 'agt_1', reason: 'why' }
const agentBack: Entry = { v, time, by, kind: 'agent_resumed', agent: 'agt_1' }
const agentEnded: Entry = { v, time, by, kind: 'agent_ended', agent: 'agt_1' }
const asked: Entry = {
  v,
  time,
  by,
  kind: 'conversation_turn',
  delegation: 'dlg_1',
  conversation: 'cnv_1',
  seq: 3,
  author: 'per_sam',
  turn: 'trn_1',
  question: 'msg_1',
  through: 'messages',
  epoch: 0,
  envelopes: digest,
  segments: 1,
  directing: ['per_sam', 'per_alice', 'agt_7'],
}
const permits = (...people: string[]): Pick<EntryOf<'call_intended'>, 'verdicts'> => ({
  verdicts: people.map((subject) => {
    return { constraint: 'person', subject, effect: 'permit', policies: [], version: 'v' }
  }),
})
const gone: Entry = { v, time, by, kind: 'person_deactivated', person: 'per_alice' }
const back: Entry = { v, time, by, kind: 'person_reactivated', person: 'per_alice' }
const withdrawn: Entry = { v, time, by, kind: 'server_withdrawn', server: 'srv_docs' }
const drifted: Entry = {
  v,
  time,
  by,
  kind: 'server_quarantined',
  server: 'srv_docs',
  reason: 'drift',
  drifted: [],
}
const reviewed: Entry = {
  v,
  time,
  by,
  kind: 'server_reviewed',
  server: 'srv_docs',
  revision: 2,
  definitions: {},
  review: { sealed: digest, bytes: 1 },
}

const at = { v, time, by } as const
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
  from: Math.floor(time / 1_000),
  until: Math.floor(time / 1_000) + 3_600,
}
const keyed = (jkt: string): Entry => ({ ...token, jkt })

const touch = (subject: string): Entry => testEntry('grp_a', [subject])

const cases: [name: string, entries: Entry[], broken?: BrokenRule['rule']][] = [
  [
    'a call that relied on what was not touched',
    [touch('policy'), testIntended('c', { readAt: 0 })],
  ],
  ['a call that read after the last touch', [touch('dlg_1'), testIntended('c', { readAt: 1 })]],
  [
    'a call that read before the touch',
    [touch('dlg_1'), testIntended('c', { readAt: 0 })],
    'one_instant',
  ],
  [
    'a touch between reading and the call, with others around it',
    [touch('per_a'), touch('dlg_1'), touch('per_b'), testIntended('c', { readAt: 1 })],
    'one_instant',
  ],
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
  ['a proposal that a program confirmed', [kept(digest), proposed({ by })], 'proposed_scope'],
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
  ['a touch after the call', [testIntended('c'), touch('dlg_1')]],
  [
    'a call on a token that was revoked before its facts were read',
    [testEntry('g', ['jti:tok_1']), testIntended('c', { readAt: 1, relied: ['jti:tok_1'] })],
    'one_instant',
  ],
  ['a call that read the future', [testIntended('c', { readAt: 1 })], 'one_instant'],
  ['an outcome', [testIntended('c'), testOutcome('c', 0)]],
  ['an outcome of nothing', [testOutcome('c', 0)], 'outcome_of_a_call'],
  ['an outcome of another call', [testIntended('c'), testOutcome('d', 0)], 'outcome_of_a_call'],
  ['an outcome of what is no call', [touch('policy'), testOutcome('c', 0)], 'outcome_of_a_call'],
  [
    'two outcomes',
    [testIntended('c'), testOutcome('c', 0), testOutcome('c', 0, { outcome: 'failed' })],
    'outcome_of_a_call',
  ],
  [
    'an outcome after `unknown`',
    [testIntended('c'), testOutcome('c', 0, { outcome: 'unknown' }), testOutcome('c', 0)],
  ],
  ['an approval used once', [requested, decided('approved'), approved()]],
  [
    'an approval used twice',
    [requested, decided('approved'), approved(), approved()],
    'approval_binding',
  ],
  ['an approval that was denied', [requested, decided('denied'), approved()], 'approval_binding'],
  ['an approval that nobody gave', [requested, approved()], 'approval_binding'],
  ['an approval that nobody asked for', [decided('approved'), approved()], 'approval_binding'],
  [
    'an approval that was voided',
    [requested, decided('approved'), voided, approved()],
    'approval_binding',
  ],
  ...(
    [
      ['delegation', 'dlg_2'],
      ['server', 'srv_2'],
      ['action', 'tools/call:other'],
      ['definition', other],
      ['argumentsDigest', other],
    ] as const
  ).map(([member, value]): [string, Entry[], BrokenRule['rule']] => [
    `an approval of another ${member}`,
    [requested, decided('approved'), approved({ [member]: value })],
    'approval_binding',
  ]),
  // Rows that were added beside the log: memberships, owners, managers, rotations, keys.
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
  ).map(([name, entries]): [string, Entry[], BrokenRule['rule']] => [
    `who answers, by ${name}`,
    entries,
    'accountable_person',
  ]),
  ['tokens for one key', [created('dlg_1'), keyed('a'), keyed('a')]],
  ['a token for another key', [created('dlg_1'), keyed('a'), keyed('b')], 'agent_key'],
  // What stands in rows that nobody signs may be put back there; the log does not bear it out.
  ['a call by whom the delegation is for', [created('dlg_1'), testIntended('c')]],
  ['a call below, by the whole chain', [staged, below, byBoth()]],
  ['a call after the claim', [forAny, claimed, testIntended('c')]],
  ['a token after the claim', [forAny, claimed, token]],
  ['a call after a suspension was lifted', [created('dlg_1'), suspended, resumed, token]],
  ['a call of an agent that goes on', [created('dlg_1'), agentStopped, agentBack, token]],
  ['a call for a person who is back', [created('dlg_1'), gone, back, testIntended('c')]],
  ['a call after the new review', [created('dlg_1'), drifted, reviewed, testIntended('c')]],
  [
    'a call that whoever asked may make too',
    [created('dlg_1'), asked, testIntended('c', permits('per_alice', 'per_sam'))],
  ],
  ['a call in the stage it was moved to', [staged, moved, testIntended('c', { stage: 'draft' })]],
  ...(
    [
      ['after the revocation', [created('dlg_1'), revoked, testIntended('c')]],
      ['after the revocation of what is not in this log', [revoked, testIntended('c')]],
      ['after the completion', [created('dlg_1'), completed, testIntended('c')]],
      ['after the suspension', [created('dlg_1'), suspended, testIntended('c')]],
      ['below what was revoked', [staged, below, revoked, byBoth()]],
      ['with a token after the revocation', [created('dlg_1'), revoked, token]],
      ['of a suspended agent', [created('dlg_1'), agentStopped, testIntended('c')]],
      ['of an ended agent', [created('dlg_1'), agentEnded, token]],
      ['below a suspended agent', [staged, below, agentStopped, byBoth()]],
      ['for a person who is gone', [created('dlg_1'), gone, testIntended('c')]],
      ['to a server in quarantine', [created('dlg_1'), drifted, testIntended('c')]],
      ['to a withdrawn server', [created('dlg_1'), withdrawn, testIntended('c')]],
      ['before any claim', [forAny, testIntended('c')]],
      [
        'by another than who claimed it',
        [forAny, claimed, testIntended('c', { agents: ['agt_9'] })],
      ],
      ['for another person', [created('dlg_1'), testIntended('c', { person: 'per_bob' })]],
      ['by half the chain', [staged, below, byBoth({ agents: ['agt_2', 'agt_9'] })]],
      ['by the end of the chain alone', [staged, below, byBoth({ agents: ['agt_2'] })]],
      ['by a longer chain', [created('dlg_1'), testIntended('c', { agents: ['agt_1', 'agt_9'] })]],
      [
        'without the right of whoever asked',
        [created('dlg_1'), asked, testIntended('c', permits('per_alice'))],
      ],
      [
        'below, without the right of whoever asked above',
        [staged, below, asked, byBoth(permits('per_alice'))],
      ],
      ['in a stage that nobody moved to', [staged, testIntended('c', { stage: 'draft' })]],
      ['in a stage that was left', [staged, moved, testIntended('c', { stage: 'collect' })]],
      ['below, in a stage of its own', [staged, below, byBoth({ stage: 'draft' })]],
    ] as const
  ).map(([name, entries]): [string, Entry[], BrokenRule['rule']] => [
    `a call ${name}`,
    [...entries],
    'standing_authority',
  ]),
]
for (const [name, entries, broken] of cases) {
  test(`${name}: ${broken ?? 'accepted'}`, () => {
    const rules = new EntryRules()
    const found = entries.map((entry, index) => rules.check(index, entry)?.rule)
    // The last entry is the one in question; those before it are in order.
    assert.deepEqual(found, [...entries.slice(1).map(() => undefined), broken])
  })
}

test('what is broken is said', () => {
  const rules = new EntryRules()
  rules.check(0, touch('dlg_1'))
  assert.deepEqual(rules.check(1, testIntended('c')), {
    rule: 'one_instant',
    message: '`dlg_1` was read at 0 and touched by entry 0',
  })
})
