import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { Actor, Entry, Verdict } from './entry.ts'
import { printStory, quotedIn, tellStory, type StoryInput } from './story.ts'
import { namesIn, printable } from './story-words.ts'
import { testEntry, testIntended, testOutcome } from './testing.ts'

const start = 1_767_225_600_000
const alice: Actor = { type: 'person', person: 'per_alice', presence: 'session' }
const paul: Actor = { type: 'person', person: 'per_paul', presence: 'passkey' }
const agent: Actor = { type: 'agent', agent: 'agt_1', delegation: 'dlg_1', person: 'per_alice' }
const system: Actor = { type: 'system', part: 'token' }

const values = new Map<string, unknown>()
const sealed = (value: unknown): { sealed: string; bytes: number } => {
  const digest = `sha256:${String(values.size).padStart(64, '0')}`
  values.set(digest, value)
  return { sealed: digest, bytes: JSON.stringify(value).length }
}
const digest = `sha256:${'d'.repeat(64)}`
const accountable = {
  person: 'per_paul',
  name: 'Paul',
  path: [
    { via: 'archetype', subject: 'archetype:tax-preparer' },
    { via: 'rotation', subject: 'grp_partners' },
    { via: 'person', subject: 'per_paul' },
  ] as { via: 'archetype' | 'rotation' | 'person'; subject: string }[],
}
const verdicts = (intent: Verdict['effect'], reason?: string): Verdict[] => [
  {
    constraint: 'agent',
    subject: 'agt_1',
    effect: 'permit',
    policies: ['preparer-reads'],
    version: '1',
  },
  { constraint: 'person', subject: 'per_alice', effect: 'permit', policies: [], version: '1' },
  {
    constraint: 'intent',
    subject: 'dlg_1',
    effect: intent,
    policies: [],
    version: '1',
    ...(reason === undefined ? {} : { reason }),
  },
]
const call = { agents: ['agt_1'], accountable, stage: 'collect' }
const filing = {
  ...call,
  server: 'srv_tax',
  serverName: 'tax',
  action: 'tools/call:file_return',
  stage: 'draft',
  consequential: true,
}

const { readAt: _, relied: __, expiresAt: ___, ...attempt } = testIntended('c2', call)

const told: Entry[] = [
  {
    v: 1,
    time: start,
    by: alice,
    kind: 'delegation_created',
    delegation: 'dlg_1',
    person: 'per_alice',
    delegate: { archetype: 'tax-preparer' },
    purpose: sealed('prepare the 2025 return of client 1042'),
    details: sealed([
      {
        type: 'mcp_call',
        locations: ['http://127.0.0.1:8787/mcp/docs'],
        actions: ['tools/call:read_text_file'],
        arguments: { read_text_file: { path: { prefix: '/clients/1042' } } },
        stages: ['collect'],
      },
      {
        type: 'mcp_call',
        actions: ['tools/call:file_return'],
        limits: { calls: 1 },
        approval: { by: 'grp_partners' },
      },
    ]),
    stages: ['collect', 'draft'],
    stage: 'collect',
    expiresAt: 1_767_229_200,
  },
  { v: 1, time: start, by: agent, kind: 'delegation_claimed', delegation: 'dlg_1', agent: 'agt_1' },
  {
    v: 1,
    time: start,
    by: system,
    kind: 'token_issued',
    delegation: 'dlg_1',
    agent: 'agt_1',
    jti: 'j',
    audience: 'http://127.0.0.1:8787/mcp',
    boundBy: 'dpop',
    expiresAt: 1_767_225_900,
  },
  testIntended('c1', {
    ...call,
    consequential: false,
    verdicts: verdicts('permit'),
    arguments: sealed({ path: '/clients/1042/w2.txt' }),
  }),
  testOutcome('c1', 3, { segment: 'seg_1' }),
  {
    ...attempt,
    kind: 'call_refused',
    constraint: 'intent',
    reason: 'denied',
    verdicts: verdicts('deny', 'path is not below /clients/1042'),
    arguments: sealed({ path: '/clients/2077/w2.txt' }),
  },
  {
    v: 1,
    time: start,
    by: alice,
    kind: 'stage_moved',
    delegation: 'dlg_1',
    from: 'collect',
    to: 'draft',
  },
  testIntended('c3', {
    ...filing,
    action: 'tools/call:create_draft',
    verdicts: verdicts('permit'),
    arguments: sealed({ client: 1042 }),
  }),
  testOutcome('c3', 7, { warnings: ['the wages field is ambiguous'] }),
  {
    v: 1,
    time: start,
    by: agent,
    kind: 'approval_requested',
    approval: 'apr_1',
    call: 'c4',
    delegation: 'dlg_1',
    server: 'srv_tax',
    action: 'tools/call:file_return',
    definition: digest,
    argumentsDigest: digest,
    entitled: 'grp_partners',
    shown: sealed({ client: 1042, warning: 'the wages field is ambiguous' }),
    expiresAt: 1_767_225_900_000,
  },
  {
    v: 1,
    time: start,
    by: paul,
    kind: 'approval_decided',
    approval: 'apr_1',
    delegation: 'dlg_1',
    decision: 'approved',
    shown: digest,
  },
  testIntended('c5', { ...filing, verdicts: verdicts('permit'), approval: 'apr_1' }),
  testOutcome('c5', 11, { outcome: 'unknown' }),
  { v: 1, time: start + 60_000, by: alice, kind: 'delegation_completed', delegation: 'dlg_1' },
]

const story = (entries: readonly Entry[] = told, more: Partial<StoryInput> = {}): StoryInput => ({
  entries: entries.map((entry, index) => ({ index, entry })),
  opened: values,
  names: new Map([
    ['per_alice', 'Alice'],
    ['grp_partners', 'the partners'],
  ]),
  ...more,
})

test('the story is told in order, and sums up', () => {
  assert.equal(printStory(tellStory(story())), EXPECTED)
})

const EXPECTED = ` 0  2026-01-01T00:00:00Z  delegated   Alice delegated “prepare the 2025 return of client 1042” to an agent of archetype tax-preparer until 2026-01-01T01:00:00Z in stages collect, draft as dlg_1 (presence proven by a signed-in session)
 0  2026-01-01T00:00:00Z  delegated   dlg_1 allows tools/call:read_text_file at http://127.0.0.1:8787/mcp/docs where read_text_file has {"path":{"prefix":"/clients/1042"}} in stage collect
 0  2026-01-01T00:00:00Z  delegated   dlg_1 allows tools/call:file_return within {"calls":1} only with approval by the partners
 1  2026-01-01T00:00:00Z  identity    agent agt_1 took up dlg_1
 2  2026-01-01T00:00:00Z  identity    agent agt_1 got a token for http://127.0.0.1:8787/mcp, bound by dpop, until 2026-01-01T00:05:00Z
 3  2026-01-01T00:00:00Z  evidence    agent agt_1 tried tools/call:read_text_file on docs {"path":"/clients/1042/w2.txt"} in stage collect: let through, ended ok; agent (agent agt_1): permit by preparer-reads; person (Alice): permit; intent (dlg_1): permit
 5  2026-01-01T00:00:00Z  refused     agent agt_1 tried tools/call:read_text_file on docs {"path":"/clients/2077/w2.txt"} in stage collect: refused by intent (denied); agent (agent agt_1): permit by preparer-reads; person (Alice): permit; intent (dlg_1): deny (path is not below /clients/1042)
 6  2026-01-01T00:00:00Z  stage       Alice moved the stage from collect to draft
 7  2026-01-01T00:00:00Z  effect      agent agt_1 tried tools/call:create_draft on tax {"client":1042} in stage draft: let through, ended ok; agent (agent agt_1): permit by preparer-reads; person (Alice): permit; intent (dlg_1): permit
 7  2026-01-01T00:00:00Z  warning     tax warned: the wages field is ambiguous
 9  2026-01-01T00:00:00Z  approval    apr_1 was asked of the partners until 2026-01-01T00:05:00Z, shown: {"client":1042,"warning":"the wages field is ambiguous"}
10  2026-01-01T00:00:00Z  approval    Paul approved apr_1: presence proven by passkey
11  2026-01-01T00:00:00Z  effect      agent agt_1 tried tools/call:file_return on tax in stage draft, approved by apr_1: let through, its outcome is unknown; agent (agent agt_1): permit by preparer-reads; person (Alice): permit; intent (dlg_1): permit
13  2026-01-01T00:01:00Z  ended       Alice completed dlg_1
13  2026-01-01T00:01:00Z  not asked   no person was asked for a judgement before tools/call:create_draft on tax (entry 7): the intent let it through
13  2026-01-01T00:01:00Z  answerable  Paul, on rotation, answers for agent agt_1 (archetype tax-preparer → rotation the partners → person Paul)
`

test('lines carry what they are told from', () => {
  const lines = tellStory(story())
  const read = lines.find((line) => line.topic === 'evidence')
  assert.deepEqual([read?.index, read?.also, read?.verdicts?.length], [3, [4], 3])
  const refused = lines.find((line) => line.topic === 'refused')
  assert.equal(refused?.verdicts?.at(-1)?.effect, 'deny')
  const summary = lines.filter((line) => line.topic === 'not_asked')
  assert.deepEqual(
    summary.map((line) => line.also),
    [[7]],
  )
})

test('a call without outcome, and one that no constraint judged, are told as such', () => {
  const [line] = tellStory(story([testIntended('c')]))
  assert.match(line?.text ?? '', /no outcome is recorded; no constraint was asked$/)
})

test('a value that was erased is told as such', () => {
  const [line] = tellStory(story(told, { opened: new Map() }))
  assert.match(line?.text ?? '', /^Alice delegated \[erased\] to an agent/)
})

test('a story that is cut says where', () => {
  const lines = tellStory(story(told.slice(0, 2), { cutAt: 9 }))
  assert.deepEqual(lines.at(-1), {
    index: 1,
    time: start,
    topic: 'cut',
    text: 'the story goes on from entry 9, which is not told here',
  })
})

test('an empty story has no lines', () => {
  assert.deepEqual(tellStory(story([])), [])
  assert.equal(printStory([]), '')
})

test('entries that are not about a delegation are passed over', () => {
  assert.deepEqual(tellStory(story([testEntry('grp_a')])), [])
})

test('content cannot rewrite what is read', () => {
  assert.equal(
    printable('a\u001b[2Jb\u202ec\nd\u200be\u2028'),
    'a\\u{1b}[2Jb\\u{202e}c\\u{a}d\\u{200b}e\\u{2028}',
  )
  assert.equal(printable('Zoë 🙂 日本'), 'Zoë 🙂 日本')
  const hostile = testIntended('c', {
    action: 'tools/call:x\u001b[0m',
    serverName: 'docs\u202e',
    arguments: sealed('\u0007ring'),
    verdicts: verdicts('permit', 'line\nbreak'),
  })
  const warned = testOutcome('c', 0, { warnings: ['\u001b[31mred'] })
  const text = printStory(
    tellStory(story([hostile, warned], { names: new Map([['agt_1', 'b\rot']]) })),
  )
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u)
  assert.equal(text.split('\n').length, 4)
})

test('long values are cut in the text', () => {
  const long = testIntended('c', { arguments: sealed('x'.repeat(5_000)) })
  assert.ok((tellStory(story([long]))[0]?.text.length ?? 0) < 700)
})

test('names come from the entries, and those that are known win', () => {
  const entries = [testEntry('grp_a'), testIntended('c', { accountable })]
  const names = namesIn(entries, new Map([['grp_a', 'The A team']]))
  assert.deepEqual(
    [...names],
    [
      ['grp_a', 'The A team'],
      ['per_paul', 'Paul'],
      ['srv_docs', 'docs'],
    ],
  )
})

test('every value that is quoted is asked for', () => {
  const asked = new Set(quotedIn(told).map(({ sealed: of }) => of))
  const text = printStory(tellStory(story()))
  assert.doesNotMatch(text, /\[erased\]/)
  const some = new Map([...values].filter(([of]) => asked.has(of)))
  assert.equal(printStory(tellStory(story(told, { opened: some }))), text)
})

test('a story says by whose code each person came in: whoever issued it could have been them', () => {
  const at = { v: 1, time: start } as const
  const session = 'ses_1'
  const by: Actor = { type: 'person', person: 'per_paul', session, presence: 'session' }
  const admin: Actor = { type: 'person', person: 'per_admin', presence: 'session' }
  const revoked: Entry = { ...at, by, kind: 'delegation_revoked', delegation: 'dlg_1' }
  const signedIn = {
    index: 5,
    entry: {
      ...at,
      by,
      kind: 'signed_in',
      person: 'per_paul',
      session,
      method: 'one_time_code',
      expiresAt: 0,
    },
  } as const
  const code = {
    index: 3,
    entry: {
      ...at,
      by: admin,
      kind: 'sign_in_code_issued',
      person: 'per_paul',
      expiresAt: 0,
    },
  } as const
  const input: StoryInput = {
    entries: [{ index: 9, entry: revoked }],
    opened: new Map(),
    names: new Map([
      ['per_paul', 'Paul'],
      ['per_admin', 'Ada\u202e'],
    ]),
  }
  const words = (signIns: StoryInput['signIns']): unknown =>
    tellStory({ ...input, ...(signIns && { signIns }) })
      .filter(({ topic }) => topic === 'identity')
      .map(({ text, also }) => [text, also])
  assert.deepEqual(words(undefined), [])
  assert.deepEqual(words(new Map([[session, { signedIn, code }]])), [
    ['Paul acted in a session that began with a code issued by Ada\\u{202e}', [3, 5]],
  ])
  assert.deepEqual(words(new Map([[session, { signedIn }]])), [
    ['Paul acted in a session that began with a code issued by somebody unknown', [5]],
  ])
})
