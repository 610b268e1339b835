/**
 * The configuration files of MCP clients: where each keeps its servers, and how one is added.
 *
 * Call `addServer`; it makes the file's new text from the old one, and refuses where anything that stands
 * there would be lost: what it cannot read, what would not come out as it was, a server of the same name.
 */

import {
  chmodSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { ok, refuse, type Result } from '../base/result.ts'

/** The clients that we know the files of. */
export const CLIENTS = ['claude', 'codex', 'cursor', 'vscode'] as const
/** One of them. */
export type ClientName = (typeof CLIENTS)[number]

/** A stdio server, as clients start it. */
export interface ServerEntry {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

interface Format {
  readonly title: string
  readonly file: (folder: string, environment: NodeJS.ProcessEnv) => string
  /** The member of a JSON file that holds the servers; a TOML file has none. */
  readonly member?: string
  /** The client's own command that adds the same. */
  readonly byHand?: (entry: ServerEntry) => string
}

const FORMATS: Readonly<Record<ClientName, Format>> = {
  claude: {
    title: 'Claude Code',
    file: (folder) => join(folder, '.mcp.json'),
    member: 'mcpServers',
    byHand: ({ name, command, args }) =>
      ['claude mcp add --transport stdio', name, '--', command, ...args].map(shellWord).join(' '),
  },
  codex: {
    title: 'Codex',
    file: (_, environment) =>
      join(environment['CODEX_HOME'] ?? join(homedir(), '.codex'), 'config.toml'),
    byHand: ({ name, command, args }) =>
      ['codex mcp add', name, '--', command, ...args].map(shellWord).join(' '),
  },
  cursor: {
    title: 'Cursor',
    file: (folder) => join(folder, '.cursor/mcp.json'),
    member: 'mcpServers',
  },
  vscode: {
    title: 'VS Code',
    file: (folder) => join(folder, '.vscode/mcp.json'),
    member: 'servers',
  },
}

/** What a client is called. */
export function titleOf(client: ClientName): string {
  return FORMATS[client].title
}

/** The file that a client reads: of the project in `folder`, or of the user. */
export function fileOf(
  client: ClientName,
  folder: string,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  return FORMATS[client].file(folder, environment)
}

/** What stands in the client's file for a server, to add by hand. */
export function snippetOf(client: ClientName, entry: ServerEntry): string {
  const { member } = FORMATS[client]
  return member === undefined
    ? tomlTable(entry)
    : pretty({ [member]: { [entry.name]: jsonEntry(client, entry) } }, '  ')
}

/** The client's own command that adds a server, where it has one. */
export function commandOf(client: ClientName, entry: ServerEntry): string | undefined {
  return FORMATS[client].byHand?.(entry)
}

/** The text of the client's file with a server more; `before` is undefined where there is no file. */
export function addServer(
  client: ClientName,
  entry: ServerEntry,
  before: string | undefined,
  replace: boolean,
): Result<string> {
  const { member } = FORMATS[client]
  return member === undefined
    ? addToToml(entry, before ?? '', replace)
    : addToJson(
        member,
        { name: entry.name, value: jsonEntry(client, entry) },
        before ?? '',
        replace,
      )
}

/** The text of a file; undefined where there is none. */
export function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`cannot read \`${file}\``, { cause })
  }
}

/** Replaces a file whole: a reader sees the old text or the new one. Mode and symbolic links stay. */
export function replaceFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  const known = statSync(file, { throwIfNoEntry: false })
  const target = known === undefined ? file : realpathSync(file)
  const next = `${target}.${process.pid}.new`
  writeFileSync(next, text, { mode: 0o600, flag: 'wx' })
  chmodSync(next, known === undefined ? 0o644 : known.mode & 0o7777)
  renameSync(next, target)
}

function jsonEntry(client: ClientName, { command, args }: ServerEntry): object {
  // Cursor takes a server with a command for stdio; the others say it.
  return { ...(client !== 'cursor' && { type: 'stdio' }), command, args }
}

const objectSchema = z.record(z.string(), z.unknown())

function addToJson(
  member: string,
  { name, value }: { readonly name: string; readonly value: object },
  before: string,
  replace: boolean,
): Result<string> {
  let parsed: unknown = {}
  try {
    if (before.trim() !== '') parsed = JSON.parse(before)
  } catch {
    return refuse({ reason: 'not_plain_json', message: 'expected plain JSON, without comments' })
  }
  const whole = objectSchema.safeParse(parsed)
  const servers = objectSchema.safeParse(whole.data?.[member] ?? {})
  if (!whole.success || !servers.success)
    return refuse({ reason: 'not_plain_json', message: `expected an object with \`${member}\`` })
  // Repeated members, numbers beyond doubles and the like would come out as something else.
  if (before.trim() !== '' && withoutSpace(before) !== JSON.stringify(parsed))
    return refuse({ reason: 'not_plain_json', message: 'rewriting the file would change it' })
  const there = servers.data[name]
  if (there !== undefined && JSON.stringify(there) === JSON.stringify(value)) return ok(before)
  if (there !== undefined && !replace) return taken(name)
  const indent = /^\{\s*?\n([ \t]+)"/.exec(before)?.[1] ?? '  '
  const after = pretty({ ...whole.data, [member]: { ...servers.data, [name]: value } }, indent)
  return ok(before.includes('\r\n') ? after.replaceAll('\n', '\r\n') : after)
}

/** JSON text without the white space between its tokens. */
function withoutSpace(text: string): string {
  return text.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')
}

function pretty(value: object, indent: string): string {
  return `${JSON.stringify(value, undefined, indent)}\n`
}

/** A table of its own at the end: valid in every TOML file that does not have it yet. */
function addToToml(entry: ServerEntry, before: string, replace: boolean): Result<string> {
  const table = tomlTable(entry)
  const key = `(?:${entry.name}|"${entry.name}"|'${entry.name}')`
  const servers = `(?:mcp_servers|"mcp_servers"|'mcp_servers')`
  const eol = before.includes('\r\n') ? '\r\n' : '\n'
  const written = new RegExp(
    `^\\[mcp_servers\\.${entry.name}\\]\\r?\\ncommand = "[^\\r\\n]*"\\r?\\nargs = \\[[^\\r\\n]*\\]\\r?\\n(?=\\r?\\n|\\[|$(?![^]))`,
    'm',
  )
  const ours = written.exec(before)
  if (ours !== null) {
    const same = ours[0].replaceAll('\r\n', '\n') === table
    if (same) return ok(before)
    return replace
      ? ok(before.replace(written, () => table.replaceAll('\n', eol)))
      : taken(entry.name)
  }
  if (new RegExp(`^\\s*\\[\\s*${servers}\\s*\\.\\s*${key}\\s*[\\].]`, 'm').test(before))
    return taken(entry.name)
  // The same servers, written in a way that a table at the end would contradict.
  if (new RegExp(`^\\s*${servers}\\s*[.=]|^\\s*\\[\\s*${servers}\\s*\\]`, 'm').test(before))
    return refuse({ reason: 'not_plain_toml', message: 'expected servers as tables of their own' })
  const gap = before === '' ? '' : before.endsWith('\n') ? eol : eol + eol
  return ok(before + gap + table.replaceAll('\n', eol))
}

function tomlTable({ name, command, args }: ServerEntry): string {
  // A JSON string without U+007F is a basic string of TOML.
  return `[mcp_servers.${name}]\ncommand = ${JSON.stringify(command)}\nargs = ${JSON.stringify(args).replaceAll('","', '", "')}\n`
}

function taken(name: string): Result<never> {
  return refuse({
    reason: 'name_taken',
    message: `there is a server \`${name}\` already: choose another --name, or --replace it`,
  })
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./ -]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
