/** What stands in rows that nobody signs may be put back there; the log does not bear it out. */

import type { Entry, EntryOf } from './entry.ts'
import { at, created, digest, type RuleCase, testRules, token } from './testing-rules.ts'
import { testIntended } from './testing.ts'

const below = created('dlg_2', {
  parent: 'dlg_1',
  delegate: { archetype: 'clerk', agent: 'agt_2' },
  stage: 'collect',
})
const staged = created('dlg_1', { stages: ['collect', 'draft'], stage: 'collect' })
const moved: Entry = {
  ...at,
  kind: 'stage_moved',
  delegation: 'dlg_1',
  from: 'collect',
  to: 'draft',
}
const byBoth = (more: Partial<EntryOf<'call_intended'>> = {}): Entry =>
  testIntended('c', { delegation: 'dlg_2', agents: ['agt_2', 'agt_1'], stage: 'collect', ...more })
const forAny = created('dlg_1', { delegate: { archetype: 'clerk' } })
const claimed: Entry = {
  ...at,
  kind: 'delegation_claimed',
  delegation: 'dlg_1',
  agent: 'agt_1',
}
const about = { ...at, delegation: 'dlg_1', reason: 'why' }
const revoked: Entry = { ...about, kind: 'delegation_revoked' }
const completed: Entry = { ...at, delegation: 'dlg_1', kind: 'delegation_completed' }
const suspended: Entry = { ...about, kind: 'delegation_suspended' }
const resumed: Entry = { ...at, delegation: 'dlg_1', kind: 'delegation_resumed' }
const agentStopped: Entry = { ...at, kind: 'agent_suspended', agent: 'agt_1', reason: 'why' }
const agentBack: Entry = { ...at, kind: 'agent_resumed', agent: 'agt_1' }
const agentEnded: Entry = { ...at, kind: 'agent_ended', agent: 'agt_1' }
const asked: Entry = {
  ...at,
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
const gone: Entry = { ...at, kind: 'person_deactivated', person: 'per_alice' }
const back: Entry = { ...at, kind: 'person_reactivated', person: 'per_alice' }
const withdrawn: Entry = { ...at, kind: 'server_withdrawn', server: 'srv_docs' }
const drifted: Entry = {
  ...at,
  kind: 'server_quarantined',
  server: 'srv_docs',
  reason: 'drift',
  drifted: [],
}
const reviewed: Entry = {
  ...at,
  kind: 'server_reviewed',
  server: 'srv_docs',
  revision: 2,
  definitions: {},
  review: { sealed: digest, bytes: 1 },
}

const cases: readonly RuleCase[] = [
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
  ).map(([name, entries]): RuleCase => [`a call ${name}`, [...entries], 'standing_authority']),
]

testRules(cases)
