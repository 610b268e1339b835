/**
 * Writes `docs/config.md` from the schema of the configuration: `node scripts/config-doc.ts`.
 *
 * `config-doc.test.ts` fails while the page is not what this writes.
 */

import { writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type * as z from 'zod'
import { configurationSchema, FIELDS, flagOf, variableOf } from '../src/app/configuration.ts'

const PAGE = join(import.meta.dirname, '../docs/config.md')

/** The page, as the schema has it now. */
export function configPage(): string {
  return `# Configuration of \`behalf serve\`

Made from \`src/app/configuration.ts\` by \`scripts/config-doc.ts\`; edit the schema, not this page.

A flag wins over a variable, a variable over the default. A variable that begins with \`BEHALF_\` and is
none of these, nor of those at the end, is refused: a misspelt setting must not pass in silence. There is no configuration file.

| flag | variable | default | meaning |
|---|---|---|---|
${FIELDS.map(row).join('\n')}

These rules hold over several fields:

- An address off loopback (\`--host\`) needs an \`https\` \`--issuer\`: TLS ends in a proxy in front of this server.
- An \`--issuer\` with \`http\` must name a loopback host.

## Variables of the command line

Every other command talks to a running server and reads:

| variable | meaning |
|---|---|
| \`BEHALF_URL\` | The installation to talk to; also \`--url\`. Else the one that \`behalf login\` kept, else \`http://127.0.0.1:8787\`. |
| \`BEHALF_SESSION\` | A session token to use instead of the one that \`behalf login\` kept. |
| \`BEHALF_HOME\` | Folder in which \`behalf login\` keeps \`session.json\` (mode 0600), and in which \`behalf bridge\` looks for \`bridge.sock\`. |
| \`SPIFFE_ENDPOINT_SOCKET\` | For \`behalf call\`: the agent's Workload API, \`unix://<socket>\`. |
| \`BEHALF_DELEGATION\` | For \`behalf call\`: the signed delegation. |
`
}

function row(field: (typeof FIELDS)[number]): string {
  const schema = configurationSchema.shape[field]
  const cells = [
    `\`${flagOf(field)}\``,
    `\`${variableOf(field)}\``,
    defaultOf(schema),
    schema.description ?? '',
  ]
  return `| ${cells.join(' | ')} |`
}

function defaultOf(schema: z.ZodType): string {
  const parsed = schema.safeParse(undefined)
  if (!parsed.success) throw new Error('expected every field to have a default or to be optional')
  if (parsed.data === undefined) return '–'
  const text = typeof parsed.data === 'string' ? parsed.data : JSON.stringify(parsed.data)
  return `\`${text.replace(homedir(), '~')}\``
}

if (import.meta.main) writeFileSync(PAGE, configPage())
