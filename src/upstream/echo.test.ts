import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { echoes, echoNeedles } from './echo.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const forms: [string, (secret: string) => string][] = [
  ['as it is', (secret) => secret],
  ['percent-encoded', encodeURIComponent],
  ['in hex', (secret) => bytes(secret).toString('hex').toUpperCase()],
  ['in base64', (secret) => bytes(secret).toString('base64')],
  ['in base64 after one byte', (secret) => bytes(`:${secret}!`).toString('base64')],
  ['in base64 after two bytes', (secret) => bytes(`u:${secret}!!`).toString('base64')],
  ['in base64url', (secret) => bytes(`Bearer ${secret}`).toString('base64url')],
]

for (const [name, form] of forms) {
  test(`a credential is noticed ${name}, wherever it stands`, () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme-ascii', minLength: 16, maxLength: 80 }),
        fc.string(),
        fc.string(),
        (secret, before, after) => {
          const needles = echoNeedles(secret)
          const said = before + form(secret) + after
          assert.ok(echoes({ deep: [{ list: [null, 1, said] }] }, needles))
          assert.ok(echoes({ [said]: true }, needles))
        },
      ),
    )
  })
}

test('what is not the credential passes', () => {
  const needles = echoNeedles('sk-upstream-0123456789abcdef')
  assert.equal(echoes({ a: 'sk-upstream-', b: ['0123456789abcde'], c: null }, needles), false)
  assert.equal(echoes({ a: 'anything' }, []), false)
})
