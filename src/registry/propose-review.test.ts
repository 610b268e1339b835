import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/canonical-json.ts'
import { isVerbatim, proposeTool, singular, writableFields, wordsOfName } from './propose-review.ts'

/** A tool with parameters by name: a type, or a whole schema. */
function tool(
  name: string,
  description: string,
  parameters: Readonly<Record<string, string | JsonObject>> = {},
): { name: string; description: string; inputSchema: JsonObject } {
  const properties = Object.fromEntries(
    Object.entries(parameters).map(([key, schema]) => [
      key,
      typeof schema === 'string' ? { type: schema } : schema,
    ]),
  )
  return { name, description, inputSchema: { type: 'object', properties, $defs: DEFINED } }
}

/** What parameters may refer to: among others, a type that holds itself. */
const DEFINED: JsonObject = {
  Level: { enum: ['low', 'high'] },
  File: {
    type: 'object',
    properties: { fileId: { type: 'string' }, url: { type: 'string' }, size: { type: 'integer' } },
  },
  Node: {
    type: 'object',
    properties: { path: { type: 'string' }, child: { $ref: '#/$defs/Node' } },
  },
}

const list = { type: 'array', items: { type: 'string' } }
const optional = { anyOf: [{ type: 'string' }, { type: 'null' }] }
const day = { type: 'string', format: 'date' }
const choice = { $ref: '#/$defs/Level' }

for (const [offered, toolClass, sinks] of [
  [tool('list_issues', 'Lists issues.', { label: 'string' }), 'read', []],
  [tool('getPage', 'Fetches a page.', { url: 'string' }), 'read', ['url: name']],
  [tool('fetch', 'Fetches.', { url: { type: 'string', format: 'uri' } }), 'read', ['url: url']],
  [tool('delete_note', 'Deletes a note.', { note_id: 'integer' }), 'destructive', ['note_id: id']],
  [
    tool('notify', 'Notifies.', { recipients: { ...list, description: 'their email addresses' } }),
    'egress',
    ['recipients[]: email'],
  ],
  [tool('dm', 'Writes to somebody.', { recipient: 'string' }), 'egress', ['recipient: name']],
  [
    tool('make_payment', 'Pays.', { iban: 'string', amount: 'number' }),
    'money',
    ['iban: account', 'amount: amount'],
  ],
  [
    tool('move_file', 'Moves or renames files.', { source: 'string', destination: 'string' }),
    'write',
    ['source: path', 'destination: path'],
  ],
  [
    tool('rename', 'Renames.', { from: { type: 'string', description: 'a path' }, to: 'string' }),
    'write',
    ['from: path', 'to: path'],
  ],
  [
    tool('copyDirectory', 'Copies.', { from: 'string', to: 'string' }),
    'write',
    ['from: path', 'to: path'],
  ],
  [
    tool('rename_file', 'Renames a file.', { old_name: 'string', newName: 'string', to: 'string' }),
    'write',
    ['old_name: path', 'newName: path', 'to: name'],
  ],
  [
    tool('extract', 'Unpacks an archive.', { path: 'string', destination: 'string' }),
    'write',
    ['path: path', 'destination: path'],
  ],
  [
    tool('remove_link', 'Removes.', { path: 'string', target: list }),
    'destructive',
    ['path: path', 'target[]: path'],
  ],
  // Whom it is sent to, what a number or a choice is, and days are no places in files.
  [
    tool('upload_file', 'Uploads.', { source: 'string', destination: 'string' }),
    'egress',
    ['destination: name'],
  ],
  [
    tool('move_issue', 'Moves it.', { source: 'string', target: 'string' }),
    'write',
    ['target: name'],
  ],
  [
    tool('move_file', 'Moves.', { source: 'integer', destination: choice, from: day, to: day }),
    'write',
    ['to: name'],
  ],
  [tool('write_file', 'Writes.', { source_language: 'string', new: 'string' }), 'write', []],
  [tool('set_secret', 'Sets it.', { password: 'string' }), 'write', ['password: name']],
  [
    tool('plan', 'Plans. It also emails the guests.', { guests: list }),
    'egress',
    ['guests[]: name'],
  ],
  [
    tool('send_mail', 'Sends a mail.', {
      message: {
        type: 'object',
        properties: {
          to: {
            type: 'array',
            items: { type: 'object', properties: { email: { type: 'string' } } },
          },
          body: { type: 'string' },
        },
      },
      attachments: { type: 'array', items: { $ref: '#/$defs/File' } },
    }),
    'egress',
    ['message.to[].email: email', 'attachments[].fileId: id', 'attachments[].url: name'],
  ],
  [
    tool('invite', 'Invites.', {
      guests: {
        type: 'array',
        items: { type: 'object', properties: { value: { type: 'string' } } },
      },
    }),
    'egress',
    ['guests[].value: name'],
  ],
  [
    tool('share_file', 'Shares a file.', {
      file_id: 'string',
      recipients: { type: 'object', additionalProperties: { enum: ['reader', 'writer'] } },
    }),
    'egress',
    ['file_id: id', 'recipients{}: name'],
  ],
  [
    tool('update_tree', 'Updates a tree.', { node: { $ref: '#/$defs/Node' } }),
    'write',
    [
      'node.path: path',
      ...[1, 2, 3, 4, 5].map((depth) => `node.${'child.'.repeat(depth)}path: path`),
    ],
  ],
  [tool('frobnicate', 'Frobnicates.'), 'write', []],
  [tool('update_note', 'Updates.', { note_id: optional, level: choice }), 'write', ['note_id: id']],
] as const) {
  test(`the draft for ${offered.name}`, () => {
    const draft = proposeTool(offered)
    assert.equal(draft.class, toolClass)
    assert.deepEqual(
      draft.sinks.map(({ path, kind }) => `${path}: ${kind}`),
      sinks,
    )
    assert.equal(draft.consequential, toolClass !== 'read')
  })
}

test('a type that holds itself in many members hides nothing that stands above it', () => {
  const members = Array.from({ length: 1_000 }, (_, at) => [`m${at}`, { $ref: '#/$defs/Many' }])
  const many = { type: 'object', properties: Object.fromEntries(members) as JsonObject }
  const { name, inputSchema } = tool('send_letter', '', {
    letter: { $ref: '#/$defs/Many' },
    envelope: { type: 'object', properties: { email: { type: 'string' } } },
    to: 'string',
  })
  const { sinks } = proposeTool({ name, inputSchema: { ...inputSchema, $defs: { Many: many } } })
  assert.deepEqual(sinks, [
    { path: 'envelope.email', kind: 'email' },
    { path: 'to', kind: 'name' },
  ])
})

test('what a tool hands out as it stands has no fields', () => {
  assert.equal(isVerbatim(tool('read_file', 'Reads the contents of a file.')), true)
  assert.equal(isVerbatim(tool('get_webpage', 'Returns the content of a web page.')), true)
  assert.equal(isVerbatim(tool('list_issues', 'Lists all issues.')), false)
})

test('callers write the fields that tools about the same thing take, identifiers aside', () => {
  const read = tool('list_issues', 'Lists issues.')
  const all = [
    read,
    tool('create_issue', 'Creates one.', {
      title: 'string',
      assignee: 'string',
      issue_id: 'string',
    }),
    tool('create_user', 'Creates a user.', { mail: 'string' }),
    tool('search_issues', 'Searches.', { query: 'string' }),
  ]
  assert.deepEqual(writableFields(read, all), ['title', 'assignee'])
})

test('words of names', () => {
  assert.deepEqual(wordsOfName('sendEMail_to-userID2'), ['send', 'email', 'to', 'user', 'id2'])
  assert.deepEqual(['files', 'boxes', 'status', 'replies', 'as'].map(singular), [
    'file',
    'box',
    'status',
    'reply',
    'as',
  ])
})
