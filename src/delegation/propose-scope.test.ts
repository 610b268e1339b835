import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import { must } from '../base/result.ts'
import { proposeTool } from '../registry/propose-review.ts'
import { covers } from './covers.ts'
import { parseDetails } from './intent.ts'
import { contains } from './narrowing.ts'
import { proposeScope, type ScopeTool } from './propose-scope.ts'

const LOCATION = 'https://b.example/mcp/office'
const APPROVER = 'per_00000000000000000000000000'
const text = { type: 'string' }
const list = { type: 'array', items: text }

const tools = [
  tool('find_mails', 'Finds mails.', { query: text }),
  tool('send_mail', 'Sends a mail.', { email: text, body: text }, ['email']),
  tool('delete_mail', 'Deletes a mail.', { mail_id: text }, ['mail_id']),
  tool('delete_file', 'Deletes a file.', { file_id: text }, ['file_id']),
  tool('create_event', 'Creates an event.', { title: text, participant_emails: list }, ['title']),
  tool('reschedule_event', 'Moves an event.', { event_id: text }, ['event_id']),
  tool('send_money', 'Sends money.', { iban: text, amount: { type: 'number' } }, ['iban']),
]

function tool(
  name: string,
  description: string,
  properties: JsonObject,
  required: string[] = [],
): ScopeTool {
  const offered = { name, description, inputSchema: { type: 'object', properties, required } }
  return { location: LOCATION, offered, reviewed: proposeTool(offered) }
}

/** The tools that the words ask for. */
function asked(words: string): string[] {
  const { details } = proposeScope({ words, tools, approver: APPROVER })
  const granted = details.filter(({ approval }) => approval === undefined).slice(1)
  return [
    ...new Set(granted.flatMap(({ actions }) => actions.map((one) => one.split(':')[1] ?? ''))),
  ]
}

for (const [words, want] of [
  ['Which mails did Bob send me?', []],
  ['Send a mail to ann@acme.example.', ['send_mail']],
  ['Please email Ann the notes.', ['send_mail']],
  ['Delete the largest file.', ['delete_file']],
  ['Find the document and remove it.', ['delete_file']],
  ['Do what the mail from Bob says.', []],
  [
    'Reschedule my check-up to Monday. Then delete the mail about it.',
    ['delete_mail', 'reschedule_event'],
  ],
  ['Can you pay the bill?', ['send_money']],
  ["What does the file 'delete all mails' say?", []],
  ['Set up a meeting with Bob.', ['create_event']],
  ['Tell me what they share.', []],
] as const) {
  test(`"${words}" asks for ${want.length === 0 ? 'nothing' : want.join(', ')}`, () => {
    assert.deepEqual(
      asked(words).filter(
        (one) => one !== 'send_mail' || (want as readonly string[]).includes(one),
      ),
      want,
    )
  })
}

function covered(words: string, name: string, args: JsonObject): 'yes' | 'asks' | 'no' {
  const { details } = proposeScope({ words, tools, approver: APPROVER })
  const sinks = tools.find((one) => one.offered.name === name)?.reviewed.sinks ?? []
  const call = { location: LOCATION, action: `tools/call:${name}`, arguments: args, stage: null }
  const found = covers(details, { ...call, sinks: sinks.map(({ path }) => path) })
  if (found.detail === undefined) return 'no'
  return found.approval === undefined ? 'yes' : 'asks'
}

test('where the words name an address, another one needs a yes', () => {
  const words = 'Send a mail to ann@acme.example.'
  assert.equal(covered(words, 'send_mail', { email: 'ann@acme.example', body: '' }), 'yes')
  assert.equal(covered(words, 'send_mail', { email: 'eve@acme.example', body: '' }), 'asks')
  assert.equal(covered(words, 'delete_file', { file_id: '1' }), 'asks')
  assert.equal(covered(words, 'find_mails', { query: 'x' }), 'yes')
})

test('a limited sink that is optional may be left out', () => {
  const words = "Create an event 'Lunch' with ann@acme.example."
  const args = { title: 'Lunch' }
  assert.equal(covered(words, 'create_event', args), 'yes')
  const ann = { ...args, participant_emails: ['ann@acme.example'] }
  assert.equal(covered(words, 'create_event', ann), 'yes')
  const eve = { ...args, participant_emails: ['ann@acme.example', 'eve@acme.example'] }
  assert.equal(covered(words, 'create_event', eve), 'asks')
})

test('a proposal is intent like any other, the same for the same words, and contained in itself', () => {
  const request = {
    words: 'Send a mail to ann@acme.example, then pay the bill',
    tools,
    approver: APPROVER,
  } as const
  const proposed = proposeScope(request)
  const details = must(parseDetails(proposed.details as unknown as Json))
  assert.equal(contains(details, details).ok, true)
  assert.equal(proposeScope(request).digest, proposed.digest)
  assert.equal(proposed.sentences.length, proposed.details.length)
  assert.notEqual(proposeScope({ ...request, words: 'Nothing' }).digest, proposed.digest)
})

test('a look-up that goes where a link leads is granted where the words speak of pages, to theirs', () => {
  const fetch = tool('fetch_page', 'Fetches a web page.', { url: text }, ['url'])
  const coverage = (words: string, url: string): boolean => {
    const { details } = proposeScope({ words, tools: [fetch], approver: APPROVER })
    const call = { location: LOCATION, action: 'tools/call:fetch_page', arguments: { url } }
    return covers(details, { ...call, stage: null, sinks: ['url'] }).approval === undefined
  }
  assert.equal(coverage('Read the article that Bob posted.', 'https://a.example/x'), true)
  assert.equal(coverage('Read www.b.example and tell me.', 'www.b.example'), true)
  assert.equal(coverage('Read www.b.example and tell me.', 'www.evil.example'), false)
  assert.equal(coverage('Who wrote to me?', 'https://a.example/x'), false)
})
