import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FIELDS, flagOf, readConfiguration, variableOf } from './configuration.ts'

const TYPICAL = { home: '/srv/behalf', port: '9000', trustDomain: 'acme.example' }

test('a flag wins over a variable, a variable over the default', () => {
  const read = readConfiguration(TYPICAL, { BEHALF_PORT: '1', BEHALF_DRAIN_SECONDS: '3' })
  assert(read.ok)
  const { home, port, trustDomain, drainSeconds, host } = read.value
  assert.deepEqual(
    { home, port, trustDomain, drainSeconds, host },
    {
      home: '/srv/behalf',
      port: 9000,
      trustDomain: 'acme.example',
      drainSeconds: 3,
      host: '127.0.0.1',
    },
  )
})

test('DATABASE_URL is read too', () => {
  const read = readConfiguration({}, { DATABASE_URL: 'postgres://x/y' })
  assert(read.ok)
  assert.equal(read.value.databaseUrl, 'postgres://x/y')
})

test('names flags and variables alike', () => {
  assert.equal(flagOf('trustDomain'), '--trust-domain')
  assert.equal(variableOf('trustDomain'), 'BEHALF_TRUST_DOMAIN')
  assert(FIELDS.includes('databaseUrl'))
})

for (const [name, flags, environment, message] of [
  [
    'a misspelt variable',
    {},
    { BEHALF_TRUSTDOMAIN: 'x' },
    'expected no variable `BEHALF_TRUSTDOMAIN`: there is no such setting',
  ],
  [
    'a port beyond the last',
    { port: '70000' },
    {},
    '`--port` (BEHALF_PORT): expected a whole number from 0 to 65535, got `70000`',
  ],
  [
    'a port that is no number',
    { port: 'http' },
    {},
    '`--port` (BEHALF_PORT): expected a whole number from 0 to 65535, got `http`',
  ],
  [
    'an issuer with a path',
    { issuer: 'https://acme.example/x' },
    {},
    '`--issuer` (BEHALF_ISSUER): expected an origin such as `https://behalf.acme.example`, without a path, got `https://acme.example/x`',
  ],
  [
    'plain HTTP off loopback',
    { issuer: 'http://acme.example' },
    {},
    '`--issuer`: expected `https` off loopback',
  ],
  [
    'listening off loopback without TLS',
    { host: '0.0.0.0' },
    {},
    '`--host` off loopback: expected an `https` `--issuer`, with TLS terminated in front',
  ],
  [
    'a model without its name',
    { scopeModelUrl: 'https://m.example/v1' },
    {},
    '`--scope-model-url` and `--scope-model`: expected both or neither',
  ],
  [
    'a credential for no model',
    { scopeModelKeyFile: '/key' },
    {},
    '`--scope-model-key-file`: expected a `--scope-model-url`',
  ],
  [
    'a model over plain HTTP',
    { scopeModelUrl: 'http://10.0.0.7/v1', scopeModel: 'small' },
    {},
    '`--scope-model-url`: expected `https` off loopback',
  ],
  [
    'a credential in the address of a model',
    { scopeModelUrl: 'https://u:p@m.example/v1', scopeModel: 'small' },
    {},
    '`--scope-model-url`: expected no credentials and no fragment in it',
  ],
  ['a trust domain in capitals', { trustDomain: 'ACME' }, {}, /--trust-domain/],
] as const) {
  test(`refuses ${name}`, () => {
    const read = readConfiguration(flags, environment)
    assert(!read.ok)
    if (typeof message === 'string') assert.equal(read.error.message, message)
    else assert.match(read.error.message, message)
  })
}
