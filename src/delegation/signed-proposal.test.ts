import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignOwner } from '../accountability/assign-owner.ts'
import { checkLog } from '../audit/check-log.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { entriesFrom } from '../people/testing.ts'
import { checkDelegations } from './check-delegations.ts'
import { delegate } from './delegate.ts'
import type { McpCallDetail } from './intent.ts'
import { keepTemplate, removeTemplate } from './keep-template.ts'
import { type Proposal, signProposal, verifyProposal } from './signed-proposal.ts'
import { digestOfTemplate } from './template.ts'
import { openTestOffice } from './testing.ts'

const kept = {
  name: 'papers',
  sentence: 'read the papers of {client}',
  details: [
    {
      type: 'mcp_call',
      locations: ['documents'],
      actions: ['tools/call:read'],
      arguments: { read: { path: { prefix: '/clients/{client}' } } },
    },
  ],
}
const template = { name: 'papers', digest: digestOfTemplate(kept) }
const prompt = `sha256:${'a'.repeat(64)}`

test('what was proposed is recorded with what is delegated, and only by whoever it was proposed to', async (t) => {
  const office = await openTestOffice(t)
  const { alice, paul, store, location } = office
  const owner = paul.person
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner }, testActor, office))
  const archetype = 'tax-preparer'
  must(await keepTemplate({ ...kept, archetype }, paul, office))
  const detail = (folder: string, more: Partial<McpCallDetail> = {}): McpCallDetail => ({
    type: 'mcp_call',
    locations: [location],
    actions: ['tools/call:read'],
    arguments: { read: { path: { prefix: folder } } },
    ...more,
  })
  const details = [detail('/clients/1042')]
  const words = 'the papers of 1042, please'
  const to = { person: alice.person, words, archetype }
  const model = { by: 'model' as const, model: 'small', template, prompt, said: {} }
  const proposed = (way: Proposal['way'] = model, of = to): string =>
    signProposal({ way, details }, of, office) ?? assert.fail('expected a proposal')
  const made = async (proposal: string, more: object = {}, by = alice) => {
    const request = {
      purpose: words,
      delegate: { archetype },
      details,
      lifetimeSeconds: 60,
      proposal,
      ...more,
    }
    return await delegate(request, by, office)
  }
  const why = async (...asked: Parameters<typeof made>): Promise<unknown> => {
    const answer = await made(...asked)
    return answer.ok ? 'delegated' : answer.error.reason
  }

  const at = (await entriesFrom(0, store)).length
  must(await made(proposed(), { details: [detail('/clients/1042', { limits: { calls: 2 } })] }))
  const [entry] = await entriesFrom(at, store)
  assert.ok(entry?.kind === 'delegation_created' && entry.proposed?.by === 'model')
  const { proposal, ...way } = entry.proposed
  assert.deepEqual(way, { by: 'model', model: 'small', template })
  const opened = await office.vault.open(store.db, proposal)
  assert.deepEqual(opened, { way: model, details })
  assert.equal(JSON.stringify(entry).includes('1042'), false)

  assert.equal(await why(proposed({ by: 'words' })), 'delegated')
  assert.equal(await why(proposed({ by: 'template', template })), 'delegated')
  const other = proposed(model, { ...to, person: paul.person })
  const [header = '', payload = '', signature = ''] = proposed().split('.')
  const wider = Buffer.from(payload, 'base64url').toString().replace('/clients/1042', '/')
  for (const [name, asked, want] of [
    ['to somebody else', [other], 'invalid_proposal'],
    ['and brought by somebody else', [proposed(), {}, paul], 'invalid_proposal'],
    ['for other words', [proposed(), { purpose: 'the papers' }], 'invalid_proposal'],
    ['that is none', ['x.y.z'], 'invalid_proposal'],
    [
      'and altered',
      [`${header}.${Buffer.from(wider).toString('base64url')}.${signature}`],
      'invalid_proposal',
    ],
    ['and widened', [proposed(), { details: [detail('/clients')] }], 'not_as_proposed'],
    [
      'with one more tool',
      [
        proposed(),
        {
          details: [
            ...details,
            { type: 'mcp_call', locations: [location], actions: ['tools/call:file'] },
          ],
        },
      ],
      'not_as_proposed',
    ],
    [
      'by a template of another text',
      [proposed({ ...model, template: { ...template, digest: prompt } })],
      'not_as_proposed',
    ],
    [
      'by a template that is none',
      [proposed({ by: 'template', template: { ...template, name: 'other' } })],
      'not_as_proposed',
    ],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    assert.equal(await why(...(asked as unknown as Parameters<typeof made>)), want, name)
  }
  const early = proposed()
  must(await removeTemplate({ archetype, name: 'papers' }, paul, office))
  assert.equal(await why(early), 'not_as_proposed')
  must(await keepTemplate({ ...kept, archetype }, paul, office))
  assert.equal(await why(early), 'delegated')
  await office.clock.advance(3_600_000)
  const late = verifyProposal(early, to, office)
  assert.equal(!late.ok && late.error.reason, 'invalid_proposal')
  await checkLog(store)
  await checkDelegations(store, office)
})

test('what is too much to delegate is not signed', async (t) => {
  const { alice, clock, keyring, issuer } = await openTestOffice(t)
  const env = { clock, keyring, issuer }
  const to = { person: alice.person, words: 'x', archetype: 'tax-preparer' }
  assert.equal(signProposal({ way: { by: 'words' }, details: [] }, to, env), undefined)
})
