import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as z from 'zod'
import { must } from '../base/result.ts'
import {
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  type SpiffeId,
  trustDomainId,
  trustDomainOf,
} from './spiffe-id.ts'

const folder = `${import.meta.dirname}/../../vectors/spiffe-id`
const vectorSchema = z.discriminatedUnion('valid', [
  z.strictObject({
    section: z.string(),
    requirement: z.string(),
    id: z.string(),
    valid: z.literal(true),
    trustDomain: z.string(),
    path: z.string(),
  }),
  z.strictObject({
    section: z.string(),
    requirement: z.string(),
    id: z.string(),
    valid: z.literal(false),
    reason: z.enum(['too_long', 'wrong_scheme', 'bad_trust_domain', 'bad_path']),
  }),
])

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const vector = vectorSchema.parse(JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')))
  test(`vector ${file} (SPIFFE-ID §${vector.section}: ${vector.requirement})`, () => {
    const parsed = parseSpiffeId(vector.id)
    if (!vector.valid) {
      assert.deepEqual(parsed, { ok: false, error: { reason: vector.reason } })
      return
    }
    const id = must(parsed)
    assert.equal(id, vector.id)
    assert.deepEqual([trustDomainOf(id), pathOf(id)], [vector.trustDomain, vector.path])
  })
}

test('there are vectors', () => assert.ok(readdirSync(folder).length > 50))

const trustDomains = fc.stringMatching(/^[a-z0-9._-]{1,40}$/)
const segments = fc
  .stringMatching(/^[a-zA-Z0-9._-]{1,20}$/)
  .filter((segment) => segment !== '.' && segment !== '..')

test('what is put together from valid parts comes apart into them', () => {
  fc.assert(
    fc.property(trustDomains, fc.array(segments, { maxLength: 8 }), (trustDomain, path) => {
      const id = must(parseSpiffeId(`spiffe://${[trustDomain, ...path].join('/')}`))
      assert.equal(trustDomainOf(id), trustDomain)
      assert.equal(pathOf(id), path.map((segment) => `/${segment}`).join(''))
    }),
  )
})

test('whatever is accepted is a URI that a general parser takes apart the same way', () => {
  const nearly = fc
    .array(
      fc.constantFrom(
        'spiffe://',
        'a',
        'Z',
        '0',
        '.',
        '..',
        '-',
        '_',
        '/',
        ':',
        '@',
        '?',
        '#',
        '%61',
        '\\',
        'ä',
        '\n',
      ),
    )
    .map((parts) => `spiffe://${parts.join('')}`)
  fc.assert(
    fc.property(nearly, (text) => {
      const parsed = parseSpiffeId(text)
      if (!parsed.ok) return
      const url = new URL(text)
      assert.equal(url.host, trustDomainOf(parsed.value))
      assert.equal(url.pathname, pathOf(parsed.value))
      assert.deepEqual(
        [url.username, url.password, url.port, url.search, url.hash],
        ['', '', '', '', ''],
      )
    }),
    { numRuns: 2_000 },
  )
})

for (const [text, want] of [
  ['acme.example', 'acme.example'],
  ['spiffe://acme.example', 'acme.example'],
  ['', undefined],
  ['Acme.example', undefined],
  ['acme.example/path', undefined],
  ['spiffe://acme.example/', undefined],
  ['https://acme.example', undefined],
] as const) {
  test(`trust domain \`${text}\``, () => {
    const parsed = parseTrustDomain(text)
    assert.equal(parsed.ok ? parsed.value : undefined, want)
    if (parsed.ok) assert.equal(trustDomainId(parsed.value), `spiffe://${want}` as SpiffeId)
  })
}
