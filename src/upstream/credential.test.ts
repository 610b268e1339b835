import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  openTestRegistry,
  testListing,
  testReviewer,
  testTool,
  reviewedTestServer,
} from '../registry/testing.ts'
import { must } from '../base/result.ts'
import { setCredential } from '../registry/credential.ts'
import { sealedCredentials, shown } from './credential.ts'
import { echoes } from './echo.ts'

const basic = Buffer.from('user:correct-horse-battery').toString('base64')
const cases: [string, string, readonly string[]][] = [
  ['sk-0123456789', 'Bearer sk-0123456789', ['sk-0123456789']],
  ['ApiKey abcdefghij', 'ApiKey abcdefghij', ['abcdefghij']],
  [`Basic ${basic}`, `Basic ${basic}`, [basic, 'correct-horse-battery']],
]
for (const [value, authorization, secrets] of cases) {
  test(`a credential is shown as \`${authorization.split(' ')[0]}\`, and its secret looked for`, () => {
    const got = shown(value)
    assert.equal(got.authorization, authorization)
    for (const secret of secrets) assert.ok(echoes(`said ${secret}!`, got.needles))
    assert.equal(echoes(authorization.split(' ')[0], got.needles), false)
  })
}

test('a credential is found where the registry sealed it, for its own server only', async (t) => {
  const env = await openTestRegistry(t)
  const listing = testListing([testTool('x', {})])
  const tools = [{ name: 'x', class: 'read', sinks: [], consequential: false }] as const
  const server = await reviewedTestServer({ name: 'tools', listing, tools }, env)
  must(
    await setCredential(
      { server: server.id, name: 'key', value: 'sk-0123456789' },
      testReviewer,
      env,
    ),
  )
  const find = sealedCredentials(env)
  assert.equal(await find('key', server.id), 'sk-0123456789')
  assert.equal(await find('other', server.id), undefined)
  assert.equal(await find('key', 'srv_01kxtest000000000000000000'), undefined)
})
