/**
 * Serves one agent's Workload API on an embedded database and runs the Go client of this folder
 * against it. Exits with the client's status.
 */

import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { migrations as auditMigrations } from '../../src/audit/migrations.ts'
import { systemClock } from '../../src/base/clock.ts'
import { jsonDiagnostics } from '../../src/base/diagnostics.ts'
import { systemRandom } from '../../src/base/random.ts'
import { must } from '../../src/base/result.ts'
import { createAgent, createArchetype } from '../../src/identity/create-agent.ts'
import { migrations as identityMigrations } from '../../src/identity/migrations.ts'
import { spiffeBundle } from '../../src/identity/spiffe-bundle.ts'
import { parseTrustDomain } from '../../src/identity/spiffe-id.ts'
import { serveWorkloadApi } from '../../src/identity/workload-api.ts'
import { openKeyring } from '../../src/keys/keyring.ts'
import { migrations as keyMigrations } from '../../src/keys/migrations.ts'
import { startEmbeddedPostgres } from '../../src/store/embedded.ts'
import { openStore } from '../../src/store/open-store.ts'

const clock = systemClock
const random = systemRandom
const diagnostics = jsonDiagnostics(
  (line) => process.stderr.write(line),
  () => clock.nowMilliseconds(),
)
const home = await mkdtemp(join(tmpdir(), 'behalf-interop-'))
const postgres = await startEmbeddedPostgres({ folder: join(home, 'pg'), diagnostics, clock })
const store = await openStore({
  url: postgres.url,
  migrations: [...auditMigrations, ...keyMigrations, ...identityMigrations],
  diagnostics,
})
try {
  const keyring = await openKeyring({ store, clock, random, masterKey: random.bytes(32) })
  const trustDomain = must(parseTrustDomain('acme.example'))
  const env = { store, clock, random, keyring, trustDomain, diagnostics }
  const by = { type: 'system', part: 'interop' } as const
  must(await createArchetype({ name: 'go-client', description: 'the go-spiffe client' }, by, env))
  const selectors = [`unix:uid:${process.getuid?.()}`, `unix:path:${join(home, 'client')}`]
  const nobody = { person: 'per_0', name: 'nobody', path: [] }
  const agent = must(await createAgent({ archetype: 'go-client', selectors }, by, nobody, env))
  const api = await serveWorkloadApi({ folder: join(home, 'sockets'), agentId: agent.id }, env)
  await writeFile(join(home, 'bundle.json'), JSON.stringify(await spiffeBundle(env)))

  process.exitCode = await run('go', ['build', '-o', join(home, 'client'), '.'], {})
  if (process.exitCode === 0) {
    const environment = {
      SPIFFE_ENDPOINT_SOCKET: `unix://${api.path}`,
      BUNDLE: join(home, 'bundle.json'),
    }
    process.exitCode = await run(join(home, 'client'), [], environment, async () => {
      await keyring.rotate('svid_ca')
      api.refresh()
    })
  }
  await api.close()
} finally {
  await store.close()
  await postgres.stop()
  await rm(home, { recursive: true, force: true })
}

async function run(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  rotate?: () => Promise<void>,
): Promise<number> {
  const child = spawn(command, args, {
    cwd: import.meta.dirname,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  for await (const line of createInterface(child.stdout)) {
    process.stdout.write(`${line}\n`)
    if (line === 'rotate') await rotate?.()
  }
  return await exit
}
