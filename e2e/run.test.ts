/**
 * `behalf run` between real processes: an agent in the sandbox reads, writes, commits with git and calls a
 * tool through the bridge, as an agent of its own, and finds nothing that is the person's.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { addServer, must } from '../scripts/set-up.ts'
import { startServer, type RunningServer } from '../scripts/start-server.ts'
import { systemClock } from '../src/base/clock.ts'
import type { Client } from '../src/client/client.ts'
import { jailWorks } from '../src/sandbox/bubblewrap.ts'
import { openCoders } from './coders.ts'
import { runCommand } from './run-command.ts'

const root = join(import.meta.dirname, '..')
const usable = await jailWorks({ clock: systemClock, nodePath: process.execPath })
const skip = usable.ok ? false : usable.error.message

let home = ''
let person = ''
let project = ''
let server: RunningServer
let administrator: Client
let token = ''

before(async () => {
  if (skip !== false) return
  home = mkdtempSync(join(tmpdir(), 'behalf-run-'))
  chmodSync(home, 0o755)
  person = join(home, 'person')
  project = join(home, 'project')
  mkdirSync(join(person, '.ssh'), { recursive: true })
  writeFileSync(join(person, '.ssh/id_ed25519'), 'a key of the person')
  mkdirSync(join(home, 'papers'))
  writeFileSync(join(home, 'papers/w2.txt'), 'box 1: 84,310\n')
  mkdirSync(project)
  server = await startServer({ home: join(home, 'behalf') })
  const opened = await openCoders(server)
  administrator = opened.administrator
  token = opened.session
  const script = join(root, 'node_modules/@modelcontextprotocol/server-filesystem/dist/index.js')
  const papers = join(home, 'papers')
  await addServer(
    administrator,
    {
      name: 'papers',
      title: 'Papers',
      transport: {
        type: 'stdio',
        command: 'node',
        args: [script, papers],
        readOnly: [papers],
        tier: 'T1',
      },
    },
    [
      {
        name: 'read_text_file',
        class: 'read',
        consequential: false,
        sinks: [{ path: 'path', kind: 'path' }],
      },
    ],
  )
  writeFileSync(
    join(home, 'intent.json'),
    JSON.stringify([
      {
        type: 'mcp_call',
        locations: ['papers'],
        actions: ['tools/call:read_text_file'],
        arguments: { read_text_file: { path: { prefix: papers } } },
      },
    ]),
  )
  writeFileSync(join(project, 'notes.txt'), 'prepare the return\n')
  writeFileSync(join(project, 'agent.mjs'), AGENT)
  execFileSync('/usr/bin/git', ['init', '-q', project])
  // As root the program becomes the owner of its folder, who must not be root.
  if (process.getuid?.() === 0) execFileSync('/bin/chown', ['-R', '65534:65534', project])
})

after(async () => {
  if (skip !== false) return
  await server.stop()
  rmSync(home, { recursive: true, force: true })
})

function environment(): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: person,
    BEHALF_HOME: join(home, 'behalf'),
    BEHALF_URL: server.url,
    BEHALF_SESSION: token,
    GITHUB_TOKEN: 'a token of the person',
  }
}

function behalf(line: string): ReturnType<typeof runCommand> {
  return runCommand(`${root}/bin/behalf ${line}`, environment())
}

/** A coding agent in thirty lines: all that it does is done with what is inside. */
const AGENT = `
import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
const [connection, behalf, paper, ...secrets] = process.argv.slice(2)
const bridge = spawn(behalf, ['bridge', connection], { stdio: ['pipe', 'pipe', 'inherit'] })
const lines = createInterface({ input: bridge.stdout })[Symbol.asyncIterator]()
let id = 0
const ask = async (method, params) => {
  bridge.stdin.write(JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }) + '\\n')
  for (;;) {
    const message = JSON.parse((await lines.next()).value)
    if (message.id === id) return message.result ?? message.error
  }
}
await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'agent', version: '1' } })
bridge.stdin.write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }) + '\\n')
const call = async (path) => (await ask('tools/call', { name: 'papers__read_text_file', arguments: { path } }))
const read = await call(paper)
const outside = await call('/etc/passwd')
bridge.stdin.end()
const notes = readFileSync('notes.txt', 'utf8')
writeFileSync('return.md', notes + read.content[0].text)
const git = (...args) => execFileSync('git', ['-c', 'user.name=agent', '-c', 'user.email=agent@invalid', ...args]).toString()
git('add', '-A')
git('commit', '-q', '-m', 'prepare the return')
const attempt = (work) => { try { return String(work()) } catch { return 'held' } }
console.log(JSON.stringify({
  log: git('log', '--format=%an: %s').trim(),
  read: read.content[0].text,
  outside: outside.isError === true || outside.code !== undefined,
  secrets: secrets.map((path) => attempt(() => readFileSync(path, 'utf8').length)),
  home: readdirSync(process.env.HOME).filter((name) => name.startsWith('.')),
  environment: Object.keys(process.env).filter((name) => /TOKEN|SESSION|SPIFFE|DELEGATION/.test(name)),
  hook: attempt(() => (writeFileSync('.git/hooks/post-commit', 'x'), 'wrote it')),
  config: attempt(() => (appendFileSync('.git/config', 'x'), 'wrote it')),
}))
`

test(
  'an agent in the sandbox works, commits and calls a tool, with none of the person’s credentials',
  { skip },
  async () => {
    const made = await behalf(
      `--json connect claude --archetype coder --details ${home}/intent.json`,
    )
    assert.equal(made.status, 0, made.output)
    const { id, door } = JSON.parse(made.output) as { id: string; door: string }
    const ours = dirname(door)
    assert.ok(existsSync(join(ours, 'master.key')), readdirSync(ours).join())
    const secrets = [
      join(person, '.ssh/id_ed25519'),
      join(ours, 'master.key'),
      join(ours, 'instance.json'),
      join(home, 'papers/w2.txt'),
      '/etc/passwd',
    ]
    const ran = await behalf(
      `run --folder ${project} --connection ${id} --door ${door} -- node ${project}/agent.mjs ${id} ${root}/bin/behalf ${home}/papers/w2.txt ${secrets.join(' ')} 2>${home}/said`,
    )
    const said = readFileSync(join(home, 'said'), 'utf8')
    assert.equal(ran.status, 0, `${ran.output}${said}`)
    assert.deepEqual(JSON.parse(ran.output), {
      log: 'agent: prepare the return',
      read: 'box 1: 84,310\n',
      outside: true,
      secrets: secrets.map(() => 'held'),
      home: [],
      environment: [],
      hook: 'held',
      config: 'held',
    })
    assert.equal(
      readFileSync(join(project, 'return.md'), 'utf8'),
      'prepare the return\nbox 1: 84,310\n',
    )
    // Its calls are in the log as those of an agent of its own, under the person's connection.
    const agent = `agt_${/agent\/coder\/([0-9a-f-]{36})/.exec(said)?.[1]}`
    const { entries } = await must(administrator, 'logEntries', { from: 0 })
    const calls = entries.filter(({ entry }) => entry['kind'] === 'call_intended')
    assert.deepEqual(
      calls.map(({ entry }) => (entry['agents'] as string[])[0]),
      [agent],
    )
    assert.equal((await must(administrator, 'showAgent', { id: agent })).state, 'ended')
  },
)

test('at a terminal the program has one of its own, which follows its size', { skip }, async () => {
  writeFileSync(
    join(project, 'asks.mjs'),
    `import { writeFileSync } from 'node:fs'
     const tty = process.stdin.isTTY && process.stdout.isTTY
     if (!tty) setTimeout(() => process.exit(0), 100)
     console.log(JSON.stringify([tty, process.stdout.getWindowSize?.(), process.env.TERM, process.env.SECRET]))
     // Rows and columns may come one after the other.
     process.stdout.on('resize', () => {
       const [columns, rows] = process.stdout.getWindowSize()
       if (columns === 50 && rows === 20) process.exit(5)
     })
     setInterval(() => {}, 1_000)
     writeFileSync('listening', '')`,
  )
  // A person at a terminal, who makes it smaller while the program runs.
  const at = async (options: string): Promise<string> => {
    const typed = join(home, 'typed.sh')
    writeFileSync(
      typed,
      `stty rows 41 cols 101
       ( until [ -e ${project}/listening ]; do sleep 0.1; done; stty rows 20 cols 50 </dev/tty ) &
       ${root}/bin/behalf run ${options} --folder ${project} -- node ${project}/asks.mjs
       echo "status $?"; stty -a`,
    )
    const { output } = await runCommand(`script -qfc 'sh ${typed}' /dev/null </dev/null`, {
      ...environment(),
      TERM: 'xterm',
      SECRET: 'x',
    })
    return output
  }
  const own = await at('')
  assert.match(own, /\[true,\[101,41\],"xterm",null\]\s+status 5/)
  // Given back as it was: neither raw nor silent.
  assert.match(own, /\sicanon\s.*\secho\s/s)
  assert.match(await at('--no-terminal --for 30s'), /\[null,null,null,null\]/)
})

async function run(options: string, script: string): ReturnType<typeof runCommand> {
  return await behalf(`run --folder ${project} ${options} -- /bin/sh -c '${script}' 2>&1`)
}

test('what it leaves in /output comes out as a tar', { skip }, async () => {
  const tar = join(home, 'out.tar')
  const made = await run(`--output ${tar}`, 'echo 42 > /output/answer; ln -s /etc/passwd /output/x')
  assert.equal(made.status, 0, made.output)
  assert.match(made.output, /out\.tar`: 1 files, 3 bytes, left out 1 that are neither/)
  assert.equal(execFileSync('/usr/bin/tar', ['-xOf', tar]).toString(), '42\n')
  // Never over another file, never where the program could lead the name elsewhere, never a part.
  for (const [options, script, want] of [
    [`--output ${tar}`, 'true', /expected to make a new file/],
    [`--output ${project}/out.tar`, 'true', /outside of what the program may write/],
    [`--output ${home}/nowhere/out.tar`, 'true', /does not exist/],
    [
      `--output ${tar}.2 --for 1s`,
      'echo x > /output/x; sleep 9',
      /nothing was handed out: it ends/,
    ],
  ] as const) {
    const refused = await run(options, script)
    assert.notEqual(refused.status, 0, options)
    assert.match(refused.output, want)
  }
  assert.deepEqual(
    readdirSync(home).filter((name) => name.startsWith('out.tar')),
    ['out.tar'],
  )
})

test(
  'refused: a folder with the person’s credentials in it, a whole home, our own home',
  { skip },
  async () => {
    const refusals: [string, RegExp][] = [
      [`--folder ${person}`, /mount_refused/],
      [`--folder ${home}/behalf`, /mount_refused/],
      [`--read-only ${person}/.ssh`, /mount_refused/],
      [`--read-only /`, /mount_refused/],
    ]
    for (const [options, want] of refusals) {
      const ran = await behalf(`run --folder ${project} ${options} -- /usr/bin/true 2>&1`)
      assert.equal(ran.status, 1, options)
      assert.match(ran.output, want)
    }
    const config = join(project, '.git/config')
    const unharmed = readFileSync(config, 'utf8')
    writeFileSync(config, `${unharmed}[remote "o"]\n\turl = https://paul:secret@forge.example/x\n`)
    const ran = await behalf(`run --folder ${project} -- /usr/bin/true 2>&1`)
    writeFileSync(config, unharmed)
    assert.match(ran.output, /credential_in_folder/)
    assert.ok(existsSync(config))
  },
)
