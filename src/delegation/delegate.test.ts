import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { must } from '../base/result.ts'
import { testAgent } from '../identity/testing.ts'
import { suspendAgent } from '../identity/agent-state.ts'
import { testActor } from '../audit/testing.ts'
import { deactivatePerson } from '../people/person-state.ts'
import { entriesFrom } from '../people/testing.ts'
import { withdrawServer } from '../registry/register.ts'
import { checkDelegations } from './check-delegations.ts'
import { delegate, type DelegateRequest } from './delegate.ts'
import { MAX_LIFETIME_SECONDS } from './delegation.ts'
import { delegationsOf, findDelegation } from './delegation-store.ts'
import { verifySignedDelegation } from './signed-delegation.ts'
import { openTestOffice, testDelegation, testRequest } from './testing.ts'

test('a delegation is written, signed and recorded', async (t) => {
  const office = await openTestOffice(t)
  const { store, alice, agent } = office
  const size = (await entriesFrom(0, store)).length
  const made = await testDelegation(office)

  assert.match(made.id, /^dlg_/)
  assert.equal(made.person, alice.person)
  assert.deepEqual(made.delegate, { archetype: 'tax-preparer', agent: agent.id })
  assert.equal(made.stage, 'collect')
  assert.equal(made.state, 'active')
  assert.equal(made.expiresAt, Math.floor(made.createdAt / 1_000) + 3_600)
  assert.deepEqual(await store.snapshot((tx) => findDelegation(tx, made.id)), made)
  assert.deepEqual(await store.snapshot((tx) => delegationsOf(tx, alice.person, { limit: 10 })), [
    made,
  ])

  const { id, claims } = must(verifySignedDelegation(made.signed, office))
  assert.equal(id, made.id)
  assert.deepEqual(
    { ...claims, purpose_digest: undefined },
    {
      iss: office.issuer,
      aud: office.issuer,
      sub: alice.person,
      jti: made.id,
      iat: Math.floor(made.createdAt / 1_000),
      exp: made.expiresAt,
      may_act: { sub: agent.spiffeId },
      archetype: 'tax-preparer',
      authorization_details: made.details,
      stages: ['collect', 'draft'],
      stage_movers: [],
      stages_reversible: false,
      purpose_digest: undefined,
    },
  )

  const [entry, ...more] = await entriesFrom(size, store)
  assert.deepEqual(more, [])
  assert.ok(entry?.kind === 'delegation_created')
  assert.deepEqual(entry.touches, [made.id])
  assert.deepEqual(entry.by, {
    type: 'person',
    person: alice.person,
    session: alice.id,
    presence: 'session',
  })
  assert.equal(entry.purpose.sealed, claims.purpose_digest)
  assert.equal(await office.vault.open(store.db, entry.purpose), made.purpose)
  assert.deepEqual(await office.vault.open(store.db, entry.details), made.details)
  await checkDelegations(store, office)
})

test('a delegation without an agent is for the first of its archetype', async (t) => {
  const office = await openTestOffice(t)
  const made = await testDelegation(office, { delegate: { archetype: 'tax-preparer' } })
  assert.deepEqual(made.delegate, { archetype: 'tax-preparer' })
  const { claims } = must(verifySignedDelegation(made.signed, office))
  assert.deepEqual(claims.may_act, { archetype: 'tax-preparer' })
})

test('what is refused leaves nothing behind', async (t) => {
  const office = await openTestOffice(t)
  const { store, agent, location, alice } = office
  const other = await testAgent(office, { archetype: 'mailer' })
  const suspended = await testAgent(office)
  must(await suspendAgent({ agent: suspended.id, reason: 'test' }, testActor, office))
  const detail = { type: 'mcp_call', locations: [location], actions: ['tools/call:read'] }
  const at = (where: string): object => ({ details: [{ ...detail, locations: [where] }] })
  const nobody = 'per_01k00000000000000000000001'

  const refused: readonly (readonly [string, object, string])[] = [
    ['no purpose', { purpose: '' }, 'invalid_request'],
    ['a lone surrogate', { purpose: '\ud800' }, 'invalid_request'],
    ['no lifetime', { lifetimeSeconds: 0 }, 'invalid_request'],
    ['more than a year', { lifetimeSeconds: MAX_LIFETIME_SECONDS + 1 }, 'invalid_request'],
    ['half a second', { lifetimeSeconds: 0.5 }, 'invalid_request'],
    ['somebody else’s authority', { person: office.paul.person }, 'invalid_request'],
    ['the same stage twice', { stages: ['a', 'a'] }, 'invalid_request'],
    ['a stage that the job has not', { stages: ['collect'] }, 'invalid_request'],
    ['no details', { details: [] }, 'invalid_authorization_details'],
    [
      'all tools',
      { details: [{ ...detail, actions: ['tools/call:*'] }] },
      'invalid_authorization_details',
    ],
    ['an unknown server', at(`${office.issuer}/mcp/elsewhere`), 'unknown_server'],
    ['all servers', at(`${office.issuer}/mcp`), 'unknown_server'],
    [
      'a server by its identifier',
      at(`${office.issuer}/mcp/${office.documents.id}`),
      'unknown_server',
    ],
    ['a server of another origin', at('https://evil.example/mcp/documents'), 'unknown_server'],
    ['a location with a query', at(`${location}?x`), 'unknown_server'],
    ['an unknown archetype', { delegate: { archetype: 'operator' } }, 'unknown_archetype'],
    [
      'an unknown agent',
      { delegate: { archetype: 'tax-preparer', agent: `${agent.id.slice(0, -4)}0000` } },
      'unknown_agent',
    ],
    [
      'an agent of another kind',
      { delegate: { archetype: 'tax-preparer', agent: other.id } },
      'wrong_archetype',
    ],
    [
      'a suspended agent',
      { delegate: { archetype: 'tax-preparer', agent: suspended.id } },
      'agent_not_active',
    ],
    ['an unknown mover', { stageMovers: [nobody] }, 'unknown_party'],
    [
      'an unknown approver',
      { details: [{ ...detail, approval: { by: nobody } }] },
      'unknown_party',
    ],
  ]
  const before = (await entriesFrom(0, store)).length
  for (const [name, change, reason] of refused) {
    const request = { ...testRequest(office), ...change } as DelegateRequest
    const result = await delegate(request, alice, office)
    assert.equal(result.ok ? 'made' : result.error.reason, reason, name)
  }
  assert.equal((await entriesFrom(0, store)).length, before)
  assert.deepEqual(await store.snapshot((tx) => delegationsOf(tx, alice.person, { limit: 10 })), [])

  must(await withdrawServer('documents', alice, office))
  const late = await delegate(testRequest(office), alice, office)
  assert.equal(late.ok ? 'made' : late.error.reason, 'unknown_server')
  must(await deactivatePerson({ person: 'alice' }, testActor, office))
  const gone = await delegate(testRequest(office), alice, office)
  assert.equal(gone.ok ? 'made' : gone.error.reason, 'person_inactive')
})

test('an altered row is no longer as it was signed', async (t) => {
  const office = await openTestOffice(t)
  const made = await testDelegation(office)
  const longer = made.expiresAt + 1
  await sql`update delegation set expires_at = ${longer} where id = ${made.id}`.execute(
    office.store.db,
  )
  await assert.rejects(checkDelegations(office.store, office), /it is as it was signed/)
})
