import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignOwner } from '../accountability/assign-owner.ts'
import { checkLog } from '../audit/check-log.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { keepTemplate, lockedTemplate, removeTemplate, templatesOf } from './keep-template.ts'
import { digestOfTemplate } from './template.ts'
import { openTestOffice, refundTemplate } from './testing.ts'

const refund = refundTemplate('order-{id}')

test('whoever answers for a kind of agent keeps its templates, and takes them away', async (t) => {
  const office = await openTestOffice(t, [])
  const owner = office.paul.person
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner }, testActor, office))
  const request = { ...refund, archetype: 'tax-preparer' }
  const kept = () => office.store.snapshot((tx) => templatesOf(tx, 'tax-preparer'))
  const why = async (of: object, by = office.paul): Promise<unknown> => {
    const answer = await keepTemplate({ ...request, ...of }, by, office)
    return !answer.ok && answer.error.reason
  }
  assert.equal(await why({}, office.alice), 'not_entitled')
  assert.equal(await why({ sentence: 'refund' }), 'invalid_authorization_details')
  assert.equal(await why({ archetype: 'nobody' }), 'unknown_archetype')
  for (const terms of [{ within: { any: true } }, { within: { sum: 5 } }, { kind: 'text' }, 7])
    assert.equal(await why({ parameters: { id: terms } }), 'invalid_parameters')
  assert.deepEqual(await kept(), [])

  must(await keepTemplate(request, office.paul, office))
  assert.deepEqual(await kept(), [refund])
  const bounded = { ...refund, parameters: { amount: { within: { max: 100 } } } }
  must(await keepTemplate({ ...request, ...bounded }, office.paul, office))
  assert.deepEqual(await kept(), [bounded])
  const locked = () =>
    office.store.transaction(async (tx) => await lockedTemplate(tx, 'tax-preparer', 'refund'))
  assert.equal(await locked(), digestOfTemplate(bounded))

  const gone = { archetype: 'tax-preparer', name: 'refund' }
  const refused = await removeTemplate(gone, office.alice, office)
  assert.equal(!refused.ok && refused.error.reason, 'not_entitled')
  assert.equal((await kept()).length, 1)
  must(await removeTemplate(gone, office.paul, office))
  assert.deepEqual(await kept(), [])
  assert.equal(await locked(), undefined)
  const again = await removeTemplate(gone, office.paul, office)
  assert.deepEqual(again, {
    ok: false,
    error: { reason: 'unknown_template', message: 'no template `refund` of tax-preparer' },
  })
  await checkLog(office.store)
})
