/**
 * `npm run demo`: the tax office story on a real installation, ten steps, each checked against what the
 * story says. Afterwards it stays up; `--once` ends it, `--json` prints one object per step.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { startServer } from '../../scripts/start-server.ts'
import { findOffice, openOffice, type Office, type Place } from './office.ts'
import { playStory } from './story.ts'
import { Teller } from './teller.ts'

const { values } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    agent: { type: 'string' },
    home: { type: 'string', default: join(homedir(), '.behalf-demo') },
    port: { type: 'string', default: '8787' },
  },
})
const { home } = values
const examples = join(import.meta.dirname, '..')
const key = 'alices-own-key-5f0c1d'
mkdirSync(home, { recursive: true, mode: 0o700 })

const teller = new Teller(values.json)
const undo: (() => Promise<void>)[] = []
let failed = false
try {
  failed = !(await run())
} catch (fault) {
  failed = true
  teller.fault(fault)
}
for (const step of undo.toReversed()) await step()
process.exit(failed ? 1 : 0)

async function run(): Promise<boolean> {
  const documents = join(home, 'documents')
  cpSync(join(import.meta.dirname, 'documents'), documents, { recursive: true })
  mkdirSync(join(home, 'memory'), { recursive: true })
  const before = await startTaxEngine(join(home, 'tax-engine-before'))
  const engine = await startTaxEngine(join(home, 'tax-engine'))
  const { office, url, place } = await startOffice({
    documents,
    memory: join(home, 'memory'),
    taxEngine: engine,
    taxEngineKey: key,
  })
  const told = await playStory(
    {
      office,
      place: { ...place, url },
      before,
      home,
      ...(values.agent !== undefined && { ownAgent: values.agent }),
    },
    teller,
  )
  if (values.once) return told
  teller.whereNext(url, office.sessions)
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve)
  await promise
  return told
}

/** The server and the office in it; what a former run left is used again. */
async function startOffice(
  place: Omit<Place, 'url'>,
): Promise<{ office: Office; url: string; place: Omit<Place, 'url'> }> {
  const kept = join(home, 'office.json')
  const begin = async (): Promise<Awaited<ReturnType<typeof startServer>>> => {
    const server = await startServer({
      home,
      port: Number(values.port),
      flags: ['--trust-domain', 'acme.example'],
    })
    undo.push(() => server.stop())
    return server
  }
  const server = await begin()
  const former = existsSync(kept)
    ? (JSON.parse(readFileSync(kept, 'utf8')) as Record<string, string>)
    : {}
  const found = server.code === undefined ? await findOffice(server.url, former) : undefined
  if (found !== undefined) return { office: found, url: server.url, place }
  if (server.code === undefined) {
    // The demo's sessions have ended, and it keeps nothing by which it could sign in again.
    await undo.pop()?.()
    rmSync(join(home, 'installation'), { recursive: true, force: true })
    return await startOffice(place)
  }
  const office = await openOffice({ ...place, url: server.url }, server.code)
  writeFileSync(kept, JSON.stringify(office.sessions), { mode: 0o600 })
  return { office, url: server.url, place }
}

/** A tax engine of our own, on the port that it had before if it had one: the registry knows its address. */
async function startTaxEngine(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true })
  const portFile = join(folder, 'port')
  const port = existsSync(portFile) ? readFileSync(portFile, 'utf8') : '0'
  // A return is filed once: each telling of the story begins with an empty book.
  rmSync(join(folder, 'returns.json'), { force: true })
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      join(examples, 'tax-engine/server.ts'),
      '--port',
      port,
      '--folder',
      folder,
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { TAX_ENGINE_KEY: key },
    },
  )
  undo.push(() => endOf(child))
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) =>
      resolve((JSON.parse(line) as { url: string }).url),
    )
    child.once('close', () => reject(new Error('the tax engine did not start')))
  })
  writeFileSync(portFile, new URL(url).port)
  return url
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const { promise, resolve } = Promise.withResolvers<void>()
  child.once('close', () => resolve())
  child.kill()
  await promise
}
