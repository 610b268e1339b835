import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { assignOwner } from '../accountability/assign-owner.ts'
import { testActor } from '../audit/testing.ts'
import { type Diagnostics, silentDiagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { type Connection, connectClient } from '../delegation/connection.ts'
import { revoke } from '../delegation/end.ts'
import { openTestOffice, type TestOffice, testRequest } from '../delegation/testing.ts'
import { type AgentId, archetypeSubject } from '../identity/agent.ts'
import { endAgent } from '../identity/agent-state.ts'
import { findAgent } from '../identity/agent-store.ts'
import { AgentSockets } from './agent-sockets.ts'
import { BridgeDoor } from './bridge-door.ts'

interface House {
  readonly office: TestOffice
  readonly connection: Connection
  /** A door of a process that starts now. */
  open(diagnostics?: Diagnostics): Promise<{ door: BridgeDoor; sockets: AgentSockets }>
}

/** A connection of Alice's for programs of `uid`, and doors in a folder of their own. */
async function house(t: TestContext, uid = process.getuid?.()): Promise<House> {
  const office = await openTestOffice(t)
  const folder = mkdtempSync(join(tmpdir(), 'behalf-door-'))
  const closing: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const close of closing) await close()
    rmSync(folder, { recursive: true })
  })
  const owned = archetypeSubject(office.agent.archetype)
  must(await assignOwner({ owned, owner: office.paul.person }, testActor, office))
  const { details, stages } = testRequest(office)
  const connection = must(
    await connectClient(
      {
        client: 'claude',
        purpose: 'work in Claude Code',
        archetype: office.agent.archetype,
        selectors: [`unix:uid:${uid}`],
        details: (details as readonly { stages?: unknown }[]).filter(
          (detail) => detail.stages === undefined,
        ) as never,
        lifetimeSeconds: 86_400,
      },
      office.alice,
      office,
    ),
  )
  assert.ok(stages)
  return {
    office,
    connection,
    async open(diagnostics = silentDiagnostics) {
      const env = { ...office, diagnostics }
      const sockets = new AgentSockets(join(folder, 'agents'), env)
      await sockets.reopen()
      const door = new BridgeDoor(join(folder, 'bridge.sock'), { ...env, sockets })
      await door.open()
      closing.push(async () => {
        await door.close()
        await sockets.close()
      })
      return { door, sockets }
    },
  }
}

interface Asked {
  /** What the door has said so far, line by line. */
  readonly said: () => readonly Record<string, unknown>[]
  readonly first: Promise<Record<string, unknown>>
  readonly closed: Promise<void>
  hangUp(): void
}

function ask(door: BridgeDoor, request: object): Asked {
  const socket = connect(door.path, () => socket.write(`${JSON.stringify(request)}\n`))
  const { promise: first, resolve: heard } = Promise.withResolvers<Record<string, unknown>>()
  const { promise: closed, resolve: gone } = Promise.withResolvers<void>()
  let text = ''
  const said = (): Record<string, unknown>[] =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  socket.on('data', (chunk) => {
    text += chunk.toString('utf8')
    const [line] = said()
    if (line !== undefined) heard(line)
  })
  socket.on('error', () => undefined)
  socket.once('close', gone)
  return { said, first, closed, hangUp: () => socket.destroy() }
}

async function opened(door: BridgeDoor, { id }: Connection): Promise<Asked & { agent: AgentId }> {
  const asked = ask(door, { open: id })
  const { opened: window } = (await asked.first) as { opened: { agent: AgentId } }
  return { ...asked, agent: window.agent }
}

async function stateOf({ office }: House, agent: AgentId): Promise<string | undefined> {
  return (await findAgent(office.store.db, agent))?.state
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400 && !(await holds()); i++) await setTimeout(10)
  assert.equal(await holds(), true)
}

test('a window ends with its bridge', async (t) => {
  const here = await house(t)
  const { door, sockets } = await here.open()
  const window = await opened(door, here.connection)
  assert.equal(door.size, 1)
  assert.ok(sockets.pathOf(window.agent))
  window.hangUp()
  await until(async () => (await stateOf(here, window.agent)) === 'ended')
  await until(async () => sockets.pathOf(window.agent) === undefined)
  assert.equal(door.size, 0)
})

test('a window that is not taken up again after a restart is ended, after a while', async (t) => {
  const here = await house(t)
  const { door, sockets } = await here.open()
  const [one, two] = [await opened(door, here.connection), await opened(door, here.connection)]
  await door.close()
  await sockets.close()
  await Promise.all([one.closed, two.closed])
  assert.equal(await stateOf(here, one.agent), 'active')

  const next = await here.open()
  const again = ask(next.door, { resume: one.agent, connection: here.connection.id })
  assert.deepEqual(await again.first, { resumed: one.agent })
  await here.office.clock.advance(59_000)
  assert.equal(await stateOf(here, two.agent), 'active')
  await here.office.clock.advance(1_000)
  await until(async () => (await stateOf(here, two.agent)) === 'ended')
  assert.equal(await stateOf(here, one.agent), 'active')
  again.hangUp()
  await until(async () => (await stateOf(here, one.agent)) === 'ended')
})

test('a window is held once', async (t) => {
  const here = await house(t)
  const { door, sockets } = await here.open()
  const window = await opened(door, here.connection)
  const resume = { resume: window.agent, connection: here.connection.id }
  assert.deepEqual(await ask(door, resume).first, { refused: 'window_held' })
  await door.close()
  await sockets.close()

  const next = await here.open()
  const both = [ask(next.door, resume), ask(next.door, resume)]
  const answers = await Promise.all(both.map(({ first }) => first))
  assert.deepEqual(
    new Set(answers.map((answer) => JSON.stringify(answer))),
    new Set([`{"resumed":"${window.agent}"}`, '{"refused":"window_held"}']),
  )
})

test('a bridge is told when its window has ended, not when something else has', async (t) => {
  const here = await house(t)
  const { office, connection } = here
  const { door } = await here.open()
  const [one, two] = [await opened(door, connection), await opened(door, connection)]
  must(await endAgent({ agent: one.agent }, testActor, office))
  door.refresh(new Set([one.agent, 'policy']))
  await one.closed
  assert.deepEqual(one.said()[1], { ended: 'window_ended' })
  assert.equal(two.said().length, 1)
  must(await revoke({ delegation: connection.delegation }, office.alice, office))
  door.refresh(new Set([connection.delegation]))
  await two.closed
  assert.deepEqual(two.said()[1], { ended: 'delegation_revoked' })
  assert.deepEqual(await ask(door, { open: connection.id }).first, {
    refused: 'delegation_revoked',
  })
})

test('a process that the connection was not made for is refused, and leaves no window', async (t) => {
  const here = await house(t, 4_242)
  const warned: string[] = []
  const { door } = await here.open({
    ...silentDiagnostics,
    warn: (event, facts) => void warned.push(`${event} ${String(facts?.['reason'])}`),
  })
  assert.deepEqual(await ask(door, { open: here.connection.id }).first, {
    refused: 'not_attested',
    message: 'this process is not one that the connection was made for',
  })
  assert.deepEqual(warned, ['bridge.refused not_attested'])
  assert.equal(door.size, 0)
})

test('a client gone wild is slowed down', async (t) => {
  const here = await house(t)
  const { door } = await here.open()
  const answers: string[] = []
  for (let i = 0; i < 51; i++) {
    const asked = ask(door, { open: here.connection.id })
    answers.push(Object.keys(await asked.first)[0] ?? '')
  }
  assert.equal(answers.filter((answer) => answer === 'opened').length, 50)
  assert.equal(answers.at(-1), 'refused')
})

test('a fault is answered: the bridge may ask again', async (t) => {
  const here = await house(t)
  const faults: string[] = []
  const { door } = await here.open({
    ...silentDiagnostics,
    error: (event) => void faults.push(event),
  })
  await here.office.store.close()
  assert.deepEqual(await ask(door, { open: here.connection.id }).first, {
    refused: 'unavailable',
  })
  assert.deepEqual(faults, ['bridge.fault'])
})
