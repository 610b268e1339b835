import assert from 'node:assert/strict'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import {
  addServer,
  type ClientName,
  CLIENTS,
  commandOf,
  fileOf,
  replaceFile,
  snippetOf,
  textOf,
} from './client-configuration.ts'

const entry = { name: 'behalf', command: '/opt/behalf/bin/behalf', args: ['bridge', 'con_1'] }

const JSON_FILE = `{
  "mcpServers": {
    "behalf": {
      "type": "stdio",
      "command": "/opt/behalf/bin/behalf",
      "args": [
        "bridge",
        "con_1"
      ]
    }
  }
}
`
const TOML_TABLE = `[mcp_servers.behalf]
command = "/opt/behalf/bin/behalf"
args = ["bridge", "con_1"]
`

/** Client, the file before, the file after. */
const ADDED: readonly (readonly [
  name: string,
  client: ClientName,
  before: string | undefined,
  after: string,
])[] = [
  ['no file', 'claude', undefined, JSON_FILE],
  ['an empty file', 'claude', '\n', JSON_FILE],
  ['an empty object', 'claude', '{}', JSON_FILE],
  ['the same server', 'claude', JSON_FILE, JSON_FILE],
  ['Cursor infers the type', 'cursor', undefined, JSON_FILE.replace(/ {6}"type".*\n/, '')],
  ['VS Code has another member', 'vscode', undefined, JSON_FILE.replace('mcpServers', 'servers')],
  [
    'other members and servers stay, in their order and indentation',
    'vscode',
    '{\n\t"inputs": [],\n\t"servers": {\n\t\t"other": { "command": "x" }\n\t}\n}\n',
    '{\n\t"inputs": [],\n\t"servers": {\n\t\t"other": {\n\t\t\t"command": "x"\n\t\t},\n\t\t"behalf": {\n\t\t\t"type": "stdio",\n\t\t\t"command": "/opt/behalf/bin/behalf",\n\t\t\t"args": [\n\t\t\t\t"bridge",\n\t\t\t\t"con_1"\n\t\t\t]\n\t\t}\n\t}\n}\n',
  ],
  ['line ends stay', 'claude', '{\r\n}\r\n', JSON_FILE.replaceAll('\n', '\r\n')],
  ['TOML: no file', 'codex', undefined, TOML_TABLE],
  ['TOML: the same server', 'codex', `x = 1\n\n${TOML_TABLE}`, `x = 1\n\n${TOML_TABLE}`],
  [
    'TOML: a table more',
    'codex',
    'model = "o5"\n\n[mcp_servers.other]\ncommand = "x"',
    `model = "o5"\n\n[mcp_servers.other]\ncommand = "x"\n\n${TOML_TABLE}`,
  ],
  [
    'TOML: a name that only begins alike',
    'codex',
    '[mcp_servers.behalf-old]\ncommand = "x"\n',
    `[mcp_servers.behalf-old]\ncommand = "x"\n\n${TOML_TABLE}`,
  ],
]

for (const [name, client, before, after] of ADDED) {
  test(`adds a server: ${name}`, () => {
    const once = must(addServer(client, entry, before, false))
    assert.equal(once, after)
    // Adding it again changes nothing.
    assert.equal(must(addServer(client, entry, once, false)), after)
  })
}

const REFUSED: readonly (readonly [
  name: string,
  client: ClientName,
  before: string,
  reason: string,
])[] = [
  ['comments', 'vscode', '{ // mine\n}', 'not_plain_json'],
  ['a trailing comma', 'claude', '{"mcpServers": {},}', 'not_plain_json'],
  ['a list', 'claude', '[]', 'not_plain_json'],
  ['servers that are no object', 'claude', '{"mcpServers": []}', 'not_plain_json'],
  ['a member twice', 'claude', '{"a": 1, "a": 2}', 'not_plain_json'],
  ['a number beyond doubles', 'claude', '{"a": 9007199254740993}', 'not_plain_json'],
  ['another server of that name', 'claude', JSON_FILE.replace('con_1', 'con_0'), 'name_taken'],
  [
    'TOML: another server of that name',
    'codex',
    TOML_TABLE.replace('con_1', 'con_0'),
    'name_taken',
  ],
  ['TOML: … in quotes', 'codex', '[ mcp_servers . "behalf" ]\nurl = "x"\n', 'name_taken'],
  ['TOML: … its environment', 'codex', '[mcp_servers.behalf.env]\nA = "1"\n', 'name_taken'],
  ['TOML: an inline table', 'codex', 'mcp_servers = { a = { command = "x" } }\n', 'not_plain_toml'],
  ['TOML: dotted keys', 'codex', 'mcp_servers.a.command = "x"\n', 'not_plain_toml'],
  ['TOML: servers as one table', 'codex', '[mcp_servers]\na.command = "x"\n', 'not_plain_toml'],
]

for (const [name, client, before, reason] of REFUSED) {
  test(`refuses, and loses nothing: ${name}`, () => {
    const refused = addServer(client, entry, before, false)
    assert.equal(!refused.ok && refused.error.reason, reason)
  })
}

test('replaces a server of the same name only when told to', () => {
  const old = must(addServer('claude', { ...entry, args: ['bridge', 'con_0'] }, undefined, false))
  assert.equal(must(addServer('claude', entry, old, true)), JSON_FILE)
  const table = TOML_TABLE.replace('con_1', 'con_0')
  const file = `a = 1\n\n${table}\n[other]\nb = 2\n`
  assert.equal(must(addServer('codex', entry, file, true)), file.replace('con_0', 'con_1'))
  // A table that was edited since is not ours to replace.
  const edited = addServer('codex', entry, `${table}env = { A = "1" }\n`, true)
  assert.equal(!edited.ok && edited.error.reason, 'name_taken')
})

test('what is shown to add by hand is what would be written', () => {
  for (const client of CLIENTS) {
    assert.equal(snippetOf(client, entry), must(addServer(client, entry, undefined, false)))
  }
  assert.equal(
    commandOf('claude', { ...entry, args: ['bridge', "it's"] }),
    "claude mcp add --transport stdio behalf -- /opt/behalf/bin/behalf bridge 'it'\\''s'",
  )
  assert.equal(
    commandOf('codex', entry),
    'codex mcp add behalf -- /opt/behalf/bin/behalf bridge con_1',
  )
})

test('each client has its file', () => {
  assert.equal(fileOf('claude', '/p', {}), '/p/.mcp.json')
  assert.equal(fileOf('cursor', '/p', {}), '/p/.cursor/mcp.json')
  assert.equal(fileOf('vscode', '/p', {}), '/p/.vscode/mcp.json')
  assert.equal(fileOf('codex', '/p', { CODEX_HOME: '/c' }), '/c/config.toml')
})

test('a file is replaced whole: mode and links stay, nothing is left beside it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'behalf-clients-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'deep/mcp.json')
  assert.equal(textOf(file), undefined)
  replaceFile(file, 'one')
  assert.equal(statSync(file).mode & 0o777, 0o644)
  chmodSync(file, 0o600)
  const link = join(folder, 'link.json')
  symlinkSync(file, link)
  replaceFile(link, 'two')
  assert.equal(readFileSync(file, 'utf8'), 'two')
  assert.equal(textOf(link), 'two')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(join(folder, 'deep')), ['mcp.json'])
  writeFileSync(file, '')
  assert.equal(textOf(file), '')
})
