/** The story in ten steps. Each says what must come of it; `teller.ts` compares. */

import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Output } from '../../src/api/operations.ts'
import type { Client } from '../../src/client/client.ts'
import type { Attempt } from './agent.ts'
import { type AgentProcess, startAgent } from './agent-process.ts'
import { must } from '../../scripts/set-up.ts'
import type { Place } from './office.ts'
import type { Setting, Stage } from './stage.ts'
import type { StepOutcome, Teller } from './teller.ts'
import { command, verifyLog } from './verification.ts'

type Delegation = Output<'delegate'>

/** Plays the story; whether every step came out as told. */
export async function playStory(stage: Stage, teller: Teller): Promise<boolean> {
  const { office } = stage
  const checkpoint = join(stage.home, 'checkpoint.before')
  writeFileSync(checkpoint, (await command(['log', 'checkpoint'], stage)).output)

  teller.heading("1  Before: the agent has Alice's own key")
  await before(stage, teller)

  teller.heading('2  Alice delegates one job')
  const job = await delegate(office.alice, stage)
  teller.step(
    { step: '2', title: `Alice delegates "${job.purpose}" for an hour: ${job.id}`, outcome: 'ok' },
    { outcome: 'ok' },
  )
  if (stage.ownAgent !== undefined) return await playOwn(stage.ownAgent, job, { stage, teller })

  teller.heading('3  The agent proves what it is')
  const agent = await enliven(office.alice, job, stage)
  await tellIdentity(agent, teller)
  const attempts = new Attempts(agent, job.id, { stage, teller })
  teller.heading('4  It sees what it may use, and reads')
  await attempts.expect('list', '4a', 'tools/list shows what it may use in this stage', [
    { outcome: 'ok' },
  ])
  await attempts.expect('read', '4b', "reads client 1042's W-2", [{ outcome: 'permit' }])

  teller.heading('5  It strays: agent ∧ person ∧ intent')
  await attempts.expect('read-foreign', '5a', "client 2077's file, by a tool", [
    { outcome: 'deny', constraint: 'intent' },
  ])
  await attempts.expect('read-foreign-resource', '5b', "client 2077's file, as a resource", [
    { outcome: 'deny', constraint: 'intent' },
  ])
  await attempts.expect('write', '5c', 'a write to the documents', [
    { outcome: 'deny', constraint: 'agent' },
  ])
  await bySam(stage, teller)

  teller.heading('6  A document tells it what to do, and it obeys')
  await attempts.expect('obey', '6', 'the letter', [
    { outcome: 'permit' },
    { outcome: 'deny', constraint: 'intent' },
    { outcome: 'deny', constraint: 'intent' },
  ])

  teller.heading('7  Drafting, and one filing that a partner approves')
  await draftAndFile(attempts, job, { stage, teller })

  teller.heading('8  The authority ends')
  await must(office.alice, 'completeDelegation', { id: job.id })
  await attempts.expect('remember', '8a', 'a call after Alice completed the delegation', [
    { outcome: 'deny', constraint: 'intent' },
  ])
  await agent.stop()
  await revoked({ stage, teller })

  teller.heading('9  What happened, from the log')
  const story = await must(office.alice, 'logStory', { id: job.id })
  const answers = story.text.includes('Paul Okri') && story.text.includes('on rotation')
  teller.step(
    { step: '9', title: `behalf log story ${job.id}`, outcome: answers ? 'ok' : 'failed' },
    { outcome: 'ok' },
  )
  teller.detail(story.text)

  teller.heading('10 The log, verified from its tiles alone')
  await verifyLog(checkpoint, { stage, teller })
  return teller.asTold
}

async function before(stage: Stage, teller: Teller): Promise<void> {
  const { place } = stage
  const filesystem = join(
    import.meta.dirname,
    '../../node_modules/@modelcontextprotocol/server-filesystem/dist/index.js',
  )
  const agent = startAgent({
    ALICES_KEY: place.taxEngineKey,
    TAX_DOCUMENTS: place.documents,
    TAX_ENGINE: stage.before,
    TAX_FILESYSTEM: filesystem,
  })
  await agent.phase('draft')
  const attempts = await agent.phase('obey')
  await agent.stop()
  for (const { what, outcome } of attempts) {
    teller.step(
      { step: '1', title: what, outcome: outcome === 'ok' ? 'ok' : 'failed' },
      { outcome: 'ok' },
    )
  }
  teller.detail(
    'The warning is overridden and the return is filed. Nothing says that an agent did it.',
  )
}

/** The job: what may be read, kept, drafted and filed, in which stage, with whose yes. */
function jobDetails({ url, documents }: Place): Record<string, never>[] {
  const at = (server: string): string[] => [`${url}/mcp/${server}`]
  const client = { client: { equals: '1042' }, year: { equals: 2025 } }
  const details = [
    {
      type: 'mcp_call',
      locations: at('documents'),
      actions: ['tools/call:read_text_file', 'resources/read'],
      arguments: {
        read_text_file: { path: { prefix: `${documents}/clients/1042` } },
        'resources/read': { uri: { prefix: `file://${documents}/clients/1042` } },
      },
      stages: ['collect'],
    },
    {
      type: 'mcp_call',
      locations: at('memory'),
      actions: ['tools/call:create_entities', 'tools/call:read_graph'],
      stages: ['draft'],
    },
    {
      type: 'mcp_call',
      locations: at('tax-engine'),
      actions: ['tools/call:create_draft'],
      arguments: { create_draft: client },
      stages: ['draft'],
    },
    {
      type: 'mcp_call',
      locations: at('tax-engine'),
      actions: ['tools/call:file_return'],
      arguments: { file_return: { ...client, amount_due: { min: -10_000, max: 20_000 } } },
      stages: ['draft'],
      limits: { calls: 1 },
      approval: { by: 'partners' },
    },
  ]
  return details as unknown as Record<string, never>[]
}

async function delegate(person: Client, { place }: Stage): Promise<Delegation> {
  return await must(person, 'delegate', {
    purpose: 'prepare the 2025 return of client 1042',
    archetype: 'tax-preparer',
    details: jobDetails(place),
    stages: ['collect', 'draft'],
    expiresIn: 3_600,
  })
}

/** A new agent: an identity of its own, and a process that holds nothing but the way to it. */
async function enliven(person: Client, job: Delegation, { place }: Stage): Promise<AgentProcess> {
  const made = await must(person, 'createAgent', { archetype: 'tax-preparer' })
  return startAgent(agentEnvironment(made, job, place))
}

function agentEnvironment(
  made: Output<'createAgent'>,
  job: Delegation,
  place: Place,
): Record<string, string> {
  return {
    SPIFFE_ENDPOINT_SOCKET: `unix://${made.socket ?? ''}`,
    BEHALF_DELEGATION: job.signed,
    BEHALF_ISSUER: place.url,
    TAX_DOCUMENTS: place.documents,
  }
}

async function tellIdentity(agent: AgentProcess, teller: Teller): Promise<void> {
  const [start] = await agent.phase('hello')
  const claims = (start?.data ?? {}) as {
    sub?: string
    act?: { sub?: string }
    cnf?: { jkt?: string }
    exp?: number
    iat?: number
  }
  const minutes = ((claims.exp ?? 0) - (claims.iat ?? 0)) / 60
  const bound =
    claims.cnf?.jkt !== undefined && claims.act?.sub === start?.text && minutes > 0 && minutes <= 5
  teller.step(
    {
      step: '3',
      title: `${start?.text ?? 'nobody'} exchanged its SVID and the delegation for a token of ${minutes} minutes`,
      outcome: bound ? 'ok' : 'failed',
    },
    { outcome: 'ok' },
  )
  teller.detail(JSON.stringify({ ...claims, authorization_details: '…' }, undefined, 1))
}

/** Lets the agent go through phases and compares what the gateway decided with the story. */
class Attempts {
  readonly #agent: AgentProcess
  readonly #delegation: string
  readonly #setting: Setting
  #from = 0

  constructor(agent: AgentProcess, delegation: string, setting: Setting) {
    this.#agent = agent
    this.#delegation = delegation
    this.#setting = setting
  }

  /** One phase; `expected` is what each of its attempts must come to. */
  async expect(
    phase: string,
    step: string,
    title: string,
    expected: readonly Pick<StepOutcome, 'outcome' | 'constraint'>[],
  ): Promise<readonly Attempt[]> {
    const attempts = await this.#agent.phase(phase)
    const recorded = await this.#recorded()
    for (const [i, want] of expected.entries()) {
      const attempt = attempts[i]
      const { outcome, constraint } =
        attempt === undefined
          ? { outcome: 'failed' as const, constraint: undefined }
          : outcomeOf(attempt)
      const entry = recorded[i]
      this.#setting.teller.step(
        {
          step,
          title: expected.length === 1 ? title : `${title}: ${attempt?.what ?? 'nothing'}`,
          outcome: want.outcome === 'ok' && outcome === 'permit' ? 'ok' : outcome,
          ...(constraint !== undefined && { constraint }),
          ...(attempt !== undefined && {
            reason: attempt.text.split('\n').slice(0, 3).join('\n').slice(0, 240),
          }),
          ...(entry !== undefined && { entry }),
        },
        want,
      )
    }
    return attempts
  }

  /** The entries that decided on what was attempted since the last time. */
  async #recorded(): Promise<number[]> {
    const { administrator } = this.#setting.stage.office
    const { entries } = await must(administrator, 'logEntries', {
      delegation: this.#delegation,
      from: this.#from,
      limit: 500,
    })
    this.#from = (entries.at(-1)?.index ?? this.#from - 1) + 1
    const deciding = new Set(['call_intended', 'call_refused', 'list_served'])
    return entries
      .filter(({ entry }) => deciding.has(entry['kind'] as string))
      .map(({ index }) => index)
  }
}

function outcomeOf({ outcome, decision }: Attempt): Pick<StepOutcome, 'outcome' | 'constraint'> {
  if (outcome === 'ok') return { outcome: 'permit' }
  const decided = decision?.outcome
  if (decided !== 'deny' && decided !== 'step_up' && decided !== 'approval_required')
    return { outcome: 'failed' }
  return {
    outcome: decided,
    ...(decision?.constraint !== undefined && { constraint: decision.constraint }),
  }
}

async function bySam(stage: Stage, teller: Teller): Promise<void> {
  const job = await delegate(stage.office.sam, stage)
  const agent = await enliven(stage.office.sam, job, stage)
  await agent.phase('hello')
  const attempts = new Attempts(agent, job.id, { stage, teller })
  await attempts.expect('read', '5d', 'the same work, delegated by Sam, the intern', [
    { outcome: 'deny', constraint: 'person' },
  ])
  await agent.stop()
}

async function draftAndFile(
  attempts: Attempts,
  job: Delegation,
  { stage, teller }: Setting,
): Promise<void> {
  const { alice, paul } = stage.office
  await must(alice, 'moveStage', { id: job.id, stage: 'draft' })
  teller.step(
    { step: '7a', title: 'Alice moves the stage to draft', outcome: 'ok' },
    { outcome: 'ok' },
  )
  await attempts.expect('remember', '7b', 'a note in memory', [{ outcome: 'permit' }])
  await attempts.expect('draft', '7c', 'a draft, with an unresolved warning', [
    { outcome: 'permit' },
  ])
  await attempts.expect('file', '7d', 'filing', [{ outcome: 'approval_required' }])

  const { approvals } = await must(paul, 'listApprovals', {})
  const asked = approvals.find((approval) => approval.delegation === job.id)
  if (asked === undefined) throw new Error('expected a request for approval')
  teller.detail(`Paul is shown exactly this:\n${JSON.stringify(asked.shown, undefined, 2)}`)
  const decided = await must(paul, 'decideApproval', {
    id: asked.id,
    decision: 'approve',
    shownDigest: asked.shownDigest,
  })
  teller.step(
    {
      step: '7e',
      title: `Paul says yes to ${asked.id}`,
      outcome: decided.state === 'approved' ? 'approved' : 'failed',
    },
    { outcome: 'approved' },
  )

  await attempts.expect(
    'file-altered',
    '7f',
    'the approved call with one digit changed: the yes is not for it',
    [{ outcome: 'approval_required' }],
  )
  await attempts.expect('file', '7g', 'the approved call goes through, once', [
    { outcome: 'permit' },
  ])
  await attempts.expect('file-again', '7h', 'the same call again', [
    { outcome: 'deny', constraint: 'intent' },
  ])
  await attempts.expect('file-altered', '7i', 'the call with one digit changed', [
    { outcome: 'deny', constraint: 'intent' },
  ])
}

async function revoked({ stage, teller }: Setting): Promise<void> {
  const { alice } = stage.office
  const job = await delegate(alice, stage)
  const agent = await enliven(alice, job, stage)
  await agent.phase('hello')
  const attempts = new Attempts(agent, job.id, { stage, teller })
  await attempts.expect('read', '8b', 'a second delegation works', [{ outcome: 'permit' }])
  await must(alice, 'revokeDelegation', { id: job.id, reason: 'the client called' })
  await attempts.expect('read', '8c', 'and is refused once it is revoked', [
    { outcome: 'deny', constraint: 'intent' },
  ])
  const [exchange] = await agent.phase('exchange')
  const refused = exchange?.outcome === 'refused'
  teller.step(
    {
      step: '8d',
      title: 'a new token exchange',
      outcome: refused ? 'deny' : 'failed',
      ...(exchange !== undefined && { reason: exchange.text }),
    },
    { outcome: 'deny' },
  )
  await agent.stop()
}

/** Somebody's own agent: it gets the job and acts; the log says what came of it. */
async function playOwn(own: string, job: Delegation, { stage, teller }: Setting): Promise<boolean> {
  const made = await must(stage.office.alice, 'createAgent', { archetype: 'tax-preparer' })
  const child = spawn('/bin/sh', ['-c', own], {
    stdio: 'inherit',
    env: { PATH: process.env['PATH'] ?? '', ...agentEnvironment(made, job, stage.place) },
  })
  const { promise, resolve } = Promise.withResolvers<number>()
  child.once('close', (code) => resolve(code ?? -1))
  const status = await promise
  const story = await must(stage.office.alice, 'logStory', { id: job.id })
  teller.step(
    { step: '3', title: `your agent ended with status ${status}`, outcome: 'ok' },
    { outcome: 'ok' },
  )
  teller.detail(story.text)
  return teller.asTold
}
