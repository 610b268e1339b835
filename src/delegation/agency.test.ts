import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignOwner } from '../accountability/assign-owner.ts'
import { checkLog } from '../audit/check-log.ts'
import { testActor } from '../audit/testing.ts'
import { must } from '../base/result.ts'
import { agencyOf, mostCareful, setAgency } from './agency.ts'
import { openTestOffice } from './testing.ts'

test('the most careful of an act chain counts, for each class by itself', () => {
  assert.deepEqual(mostCareful([{ write: 'never', money: 'doubt' }, { write: 'doubt' }]), {
    write: 'doubt',
    money: 'doubt',
  })
  assert.deepEqual(mostCareful([{}, {}]), {})
  // What nobody set is as usual: asked on doubt, writes within limits never.
  const helper = { read: 'never', write: 'always', egress: 'never', money: 'strict' } as const
  assert.deepEqual(mostCareful([{}, helper]), {
    read: 'doubt',
    write: 'always',
    egress: 'doubt',
    money: 'strict',
  })
  assert.deepEqual(mostCareful([helper]), helper)
})

test('whoever answers for a kind of agent turns its dial, and nobody else', async (t) => {
  const office = await openTestOffice(t, [])
  const owner = office.paul.person
  must(await assignOwner({ owned: 'archetype:tax-preparer', owner }, testActor, office))
  const wanted = { archetype: 'tax-preparer', toolClass: 'write', agency: 'strict' } as const
  const refused = await setAgency(wanted, office.alice, office)
  assert.equal(!refused.ok && refused.error.reason, 'not_entitled')
  assert.deepEqual(await office.store.snapshot((tx) => agencyOf(tx, ['tax-preparer'])), {})

  assert.deepEqual(must(await setAgency(wanted, office.paul, office)), { write: 'strict' })
  must(await setAgency({ ...wanted, agency: 'never' }, office.paul, office))
  const dial = await office.store.snapshot((tx) => agencyOf(tx, ['tax-preparer', 'other']))
  assert.deepEqual(dial, { write: 'never' })

  const unknown = await setAgency({ ...wanted, archetype: 'nobodys' }, office.paul, office)
  assert.equal(unknown.ok, false)
  await checkLog(office.store)
})
