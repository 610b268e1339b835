import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../base/canonical-json.ts'
import type { Condition } from './intent.ts'
import { containsCondition, meets } from './predicate.ts'

const CASES: readonly (readonly [Condition, readonly Json[], boolean])[] = [
  [{ equals: 'a' }, ['a'], true],
  [{ equals: 'a' }, ['A'], false],
  [{ equals: 1 }, ['1'], false],
  [{ equals: true }, [1], false],
  [{ equals: 'a' }, ['a', 'a'], true],
  [{ equals: 'a' }, ['a', 'b'], false],
  [{ equals: 'a' }, [], false],
  [{ equals: 'a' }, [['a']], false],
  [{ equals: 'a' }, [null], false],
  [{ oneOf: ['a', 2] }, [2], true],
  [{ oneOf: ['a', 2] }, ['2'], false],
  [{ prefix: '/clients/1042' }, ['/clients/1042/w2.txt'], true],
  [{ prefix: '/clients/1042' }, ['/clients/10420'], false],
  [{ prefix: '/clients/1042' }, ['/clients/1042/../2077'], false],
  [{ prefix: '/clients/1042' }, ['/clients/1042/a', '/clients/2077/a'], false],
  [{ prefix: '/' }, [7], false],
  [{ prefix: 'file:///clients/1042' }, ['file:///clients/1042/w2.txt'], true],
  [{ prefix: 'file:///clients/1042' }, ['file:///clients/1042/%2e%2e/2077'], false],
  [{ max: 10 }, [10], true],
  [{ max: 10 }, [10.01], false],
  [{ max: 10 }, ['10'], true],
  [{ max: 10 }, ['10.01'], false],
  [{ max: 10 }, ['1e1'], false],
  [{ max: 10 }, ['-1'], false],
  [{ max: 10 }, [' 1'], false],
  [{ max: 10 }, ['0x1'], false],
  [{ max: 10 }, [''], false],
  [{ min: 1 }, [null], false],
  [{ max: 10 }, [-1e9], true],
  [{ min: 0, max: 10 }, [-1], false],
  [{ min: 0, max: 10 }, [5], true],
  [{ sum: 10 }, [0], true],
  [{ sum: 10 }, [-1], false],
  [{ sum: 10 }, [11], false],
  [{ sum: 10 }, [Number.NaN], false],
  [{ host: 'api.example.com' }, ['https://api.example.com/v1?q=1'], true],
  [{ host: 'api.example.com' }, ['https://api.example.com'], true],
  [{ host: 'api.example.com' }, ['http://api.example.com/'], true],
  [{ host: 'api.example.com' }, ['https://api.example.com:8443/'], false],
  [{ host: 'api.example.com:8443' }, ['https://api.example.com:8443/'], true],
  [{ host: 'api.example.com' }, ['https://api.example.com:443/'], false],
  [{ host: 'api.example.com' }, ['https://API.example.com/'], false],
  [{ host: 'api.example.com' }, ['https://api.example.com./'], false],
  [{ host: 'api.example.com' }, ['https://api.example.com@evil.net/'], false],
  [{ host: 'api.example.com' }, ['https://user@api.example.com/'], false],
  [{ host: 'api.example.com' }, ['https://api.example.com\\@evil.net/'], false],
  [{ host: 'api.example.com' }, ['https://api.example.com#@evil.net/'], false],
  [{ host: 'api.example.com' }, ['https://api.example.com?@evil.net/'], false],
  [{ host: 'api.example.com' }, ['https://evil.net/https://api.example.com/'], false],
  [{ host: 'api.example.com' }, ['//api.example.com/'], false],
  [{ host: 'api.example.com' }, ['https:api.example.com/'], false],
  [{ host: 'api.example.com' }, ['https:///api.example.com/'], false],
  [{ host: 'api.example.com' }, ['https://api.example\t.com/'], false],
  [{ host: 'api.example.com' }, ['https://api.example.com/ evil.net'], false],
  [{ host: 'api.example.com' }, ['ftp://api.example.com/'], false],
  [{ host: 'api.example.com' }, ['https://api。example.com/'], false],
  [{ host: '127.0.0.1' }, ['http://127.0.0.1/'], true],
  [{ host: '127.0.0.1' }, ['http://127.1/'], false],
  [{ host: '127.0.0.1' }, ['http://0x7f000001/'], false],
  [{ pattern: '*@example.com' }, ['alice@example.com'], true],
  [{ pattern: '*@example.com' }, [42], false],
  [{ prefix: '/out', pattern: '/out/*.txt' }, ['/out/a.txt'], true],
  [{ prefix: '/out', pattern: '/out/*.txt' }, ['/out/a.csv'], false],
]

for (const [condition, values, want] of CASES) {
  test(`${JSON.stringify(values)} ${want ? 'meets' : 'does not meet'} ${JSON.stringify(condition)}`, () => {
    assert.equal(meets(values, condition), want)
  })
}

const CONTAINS: readonly (readonly [Condition, Condition, boolean])[] = [
  [{ oneOf: ['a', 'b'] }, { equals: 'a' }, true],
  [{ oneOf: ['a', 'b'] }, { oneOf: ['b', 'a'] }, true],
  [{ equals: 'a' }, { oneOf: ['a', 'b'] }, false],
  [{ equals: 1 }, { equals: '1' }, false],
  [{ prefix: '/clients' }, { prefix: '/clients/1042' }, true],
  [{ prefix: '/clients/1042' }, { prefix: '/clients' }, false],
  [{ prefix: '/clients/1042' }, { prefix: '/clients/10420' }, false],
  [{ prefix: '/clients' }, { equals: '/clients/1042/w2.txt' }, true],
  [{ prefix: '/clients' }, { equals: '/clients/../etc' }, false],
  [{ prefix: '/clients' }, { pattern: '/clients/*' }, false],
  [{ max: 10 }, { max: 9 }, true],
  [{ max: 10 }, { max: 11 }, false],
  [{ max: 10 }, { min: 1 }, false],
  [{ max: 10 }, { min: 1, max: 10 }, true],
  [{ min: 1, max: 10 }, { max: 10 }, false],
  [{ max: 10 }, { sum: 10 }, true],
  [{ min: 0 }, { sum: 10 }, true],
  [{ min: 1 }, { sum: 10 }, false],
  [{ sum: 10 }, { sum: 10 }, true],
  [{ sum: 10 }, { sum: 11 }, false],
  [{ sum: 10 }, { max: 5 }, false],
  [{ sum: 10 }, { equals: 5 }, false],
  [{ max: 10 }, { equals: 5 }, true],
  [{ host: 'a.example' }, { host: 'a.example' }, true],
  [{ host: 'a.example' }, { host: 'b.example' }, false],
  [{ host: 'a.example' }, { equals: 'https://a.example/x' }, true],
  [{ pattern: '*.txt' }, { equals: 'a.txt' }, true],
  [{ pattern: '*.txt' }, { pattern: 'a-*.txt' }, true],
  [{ pattern: 'a-*.txt' }, { pattern: '*.txt' }, false],
]

for (const [above, below, want] of CONTAINS) {
  const verb = want ? 'contains' : 'does not contain'
  test(`${JSON.stringify(above)} ${verb} ${JSON.stringify(below)}`, () => {
    assert.equal(containsCondition(above, below), want)
  })
}
