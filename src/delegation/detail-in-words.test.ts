import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../base/result.ts'
import { inPlainWords } from './detail-in-words.ts'
import { parseDetails } from './intent.ts'

const at = { type: 'mcp_call', locations: ['https://b.example/mcp/shop'] } as const
const PARTNERS = 'grp_01k00000000000000000000001'

for (const [detail, want] of [
  [{ ...at, actions: ['tools/call:find'] }, 'may call `find` of shop'],
  [
    {
      ...at,
      actions: ['tools/call:refund'],
      arguments: { refund: { order: { equals: 'order-17' }, amount: { min: 1, max: 30 } } },
      limits: { calls: 1 },
    },
    'may call `refund` of shop where `order` is "order-17" and `amount` is at least 1 and at most 30, once',
  ],
  [
    {
      ...at,
      locations: [...at.locations, 'https://b.example/mcp/mail'],
      actions: ['tools/call:send', 'tools/call:find', 'resources/read'],
      arguments: {
        send: { 'to[]': { oneOf: ['ann@acme.example', 7] }, body: { any: true } },
        'resources/read': { uri: { prefix: 'file:///a' } },
      },
      stages: ['draft', 'sent'],
      limits: { calls: 3, sum: { amount: 50 }, until: 1_800_000_000 },
      approval: { by: PARTNERS },
    },
    'may call `send`, `find` and `resources/read` of shop or mail' +
      '; where of `send` `to[]` is "ann@acme.example" or 7 and `body` is anything' +
      '; where of `resources/read` `uri` is at or below "file:///a"' +
      ', in stage draft or sent, at most 3 times, `amount` at most 50 in all, until 2027-01-15T08:00:00Z' +
      `, each time only after a yes by ${PARTNERS}`,
  ],
  [
    {
      ...at,
      actions: ['tools/call:open'],
      arguments: {
        open: { url: { host: 'a.example' }, name: { pattern: 'x-*' }, paid: { sum: 9 } },
      },
    },
    'may call `open` of shop where `url` is a link to "a.example" and `name` is like "x-*" and `paid` is at most 9 over all calls together',
  ],
] as const) {
  test(want.slice(0, 60), () => {
    const [parsed] = must(parseDetails([detail]))
    assert.ok(parsed)
    assert.equal(inPlainWords(parsed), want)
  })
}
