/**
 * What most scenarios start from, in an empty installation: `office <code>`.
 *
 * The administrator, alice (of `preparers`), paul (of `partners`, on rotation) and sam are signed in, each
 * in a home of their own (`as alice behalf …`). Agents of archetype `reader`, who answer to the partners,
 * may use the server `papers`: the real filesystem server over `papers/`. The files `read.json` and
 * `write.json` hold intents: to read what is of 1042, and to write there with a partner's yes.
 */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { addServer, addStaff, must, signIn } from '../scripts/set-up.ts'
import type { Client } from '../src/client/client.ts'

const { HOME: home = '', BEHALF_URL: url = '' } = process.env
const [code = ''] = process.argv.slice(2)

/** Signs in, and keeps the session where `as <person>` looks for it. */
async function enter(person: string, oneTimeCode: string): Promise<Client> {
  const { client, session: token } = await signIn(url, oneTimeCode)
  mkdirSync(join(home, person), { recursive: true, mode: 0o700 })
  writeFileSync(join(home, person, 'session.json'), JSON.stringify({ url, token }), { mode: 0o600 })
  return client
}

const administrator = await enter('administrator', code)
const codes = await addStaff(administrator, [
  ['alice', 'Alice Ames', 'preparers'],
  ['paul', 'Paul Okri', 'partners'],
  ['sam', 'Sam Sand', 'interns'],
])
for (const [handle, issued] of codes) await enter(handle, issued)
await must(administrator, 'setRotation', {
  id: 'partners',
  members: ['paul'],
  start: '2026-01-05T09:00:00',
  timeZone: 'America/Chicago',
  shift: 'P7D',
})
await must(administrator, 'createArchetype', {
  name: 'reader',
  description: 'Reads papers.',
  owner: 'partners',
})
await must(administrator, 'activatePolicies', {
  sets: {
    agent:
      '@id("readers") permit (principal in Archetype::"reader", action in Action::"use", resource in Server::"papers");',
    person:
      '@id("preparers") permit (principal in Group::"preparers", action in Action::"use", resource);',
  },
})

const papers = join(home, 'papers')
for (const client of ['1042', '2077']) {
  mkdirSync(join(papers, client), { recursive: true })
  writeFileSync(join(papers, client, 'w2.txt'), `W-2 of ${client}\n`)
  // As root the server runs as somebody else, who is to write here.
  chmodSync(join(papers, client), 0o777)
}
chmodSync(papers, 0o777)
const program = join(
  import.meta.dirname,
  '../node_modules/@modelcontextprotocol/server-filesystem/dist/index.js',
)
const path = { path: 'path', kind: 'path' } as const
await addServer(
  administrator,
  {
    name: 'papers',
    title: 'Papers',
    transport: { type: 'stdio', command: 'node', args: [program, papers], readWrite: [papers] },
  },
  [
    { name: 'read_text_file', class: 'read', consequential: false, sinks: [path] },
    { name: 'write_file', class: 'write', consequential: true, sinks: [path] },
  ],
)

const within = { path: { prefix: join(papers, '1042') } }
const detail = { type: 'mcp_call', locations: ['papers'] }
writeFileSync(
  join(home, 'read.json'),
  JSON.stringify([
    { ...detail, actions: ['tools/call:read_text_file'], arguments: { read_text_file: within } },
  ]),
)
writeFileSync(
  join(home, 'write.json'),
  JSON.stringify([
    {
      ...detail,
      actions: ['tools/call:write_file'],
      arguments: { write_file: within },
      limits: { calls: 2 },
      approval: { by: 'partners' },
    },
  ]),
)
