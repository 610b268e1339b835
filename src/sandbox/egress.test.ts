import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { must } from '../base/result.ts'
import { jailWorks } from './bubblewrap.ts'
import { destinationsOf, isPublic, reached, type Destination } from './egress.ts'
import { sandboxed, type SandboxEnv } from './sandboxed.ts'

const env: SandboxEnv = { clock: systemClock, nodePath: process.execPath }

test('egress: addresses that are public, and those that are not', () => {
  for (const address of ['93.184.216.34', '1.1.1.1', '2606:4700::1111']) {
    assert.equal(isPublic(address), true, address)
  }
  for (const address of [
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fe80::1',
    'fd00:ec2::254',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001::1',
    '2001:db8::1',
  ]) {
    assert.equal(isPublic(address), false, address)
  }
})

test('egress: rules that could not be meant are refused', () => {
  const refused: [string, Destination][] = [
    ['a scheme', { host: 'https://example.com' }],
    ['capitals', { host: 'Example.com' }],
    ['a port in the host', { host: 'example.com:443' }],
    ['a star alone', { host: '*' }],
    ['a star within', { host: 'a.*.com' }],
    ['an address in hexadecimal', { host: '0x7f.1' }],
    ['a number', { host: '2130706433' }],
    ['port 0', { host: 'example.com', ports: [0] }],
    ['an address that is none', { host: 'example.com', addresses: ['10.0.0.0/8'] }],
    ['a secret for everything below a name', { host: '*.example.com', originate: {} }],
    [
      'a header with a line break',
      { host: 'example.com', originate: { headers: { a: 'b\r\nc: d' } } },
    ],
    ['the host header', { host: 'example.com', originate: { headers: { Host: 'other' } } }],
  ]
  for (const [name, rule] of refused) assert.equal(destinationsOf([rule]).ok, false, name)
  const accepted: Destination[] = [
    { host: 'example.com' },
    { host: '*.example.com', ports: [80, 443] },
    { host: '10.0.0.7', ports: [5432] },
    { host: 'localhost', addresses: ['127.0.0.1'] },
  ]
  for (const rule of accepted) assert.equal(destinationsOf([rule]).ok, true, rule.host)
})

function forbidden(address: string): string | undefined {
  return address === '127.0.0.1' ? 'ours' : undefined
}

test('egress: a name is looked up only when it is on the list, and its answers are all judged', async () => {
  const asked: string[] = []
  const answers: Record<string, string[]> = {
    'example.com': ['93.184.216.34'],
    'a.example.org': ['93.184.216.35', '2606:4700::1111'],
    'mixed.example.com': ['93.184.216.34', '127.0.0.1'],
    'inner.example.com': ['10.0.0.7'],
    // One bad address spoils the good one before it.
    'ours.example.com': ['93.184.216.34', '127.0.0.1'],
  }
  const resolve = async (host: string): Promise<string[]> => {
    asked.push(host)
    return answers[host] ?? []
  }
  const rules = [
    { host: 'example.com' },
    { host: '*.example.org' },
    { host: 'mixed.example.com' },
    { host: 'inner.example.com', addresses: ['10.0.0.7'] },
    { host: 'gone.example.com' },
    { host: '10.9.9.9', ports: [80] },
    { host: 'ours.example.com', addresses: ['127.0.0.1'] },
  ]
  const cases: [string, number, string][] = [
    ['example.com', 443, '93.184.216.34'],
    ['EXAMPLE.com', 443, '93.184.216.34'],
    ['example.com', 80, 'not on the list'],
    ['example.com.', 443, 'not on the list'],
    ['notexample.com', 443, 'not on the list'],
    ['a.example.org', 443, '93.184.216.35'],
    ['example.org', 443, 'not on the list'],
    ['evil.test', 443, 'not on the list'],
    ['mixed.example.com', 443, 'no public address'],
    ['inner.example.com', 443, '10.0.0.7'],
    ['gone.example.com', 443, 'no address'],
    ['10.9.9.9', 80, '10.9.9.9'],
    ['10.9.9.8', 80, 'not on the list'],
    ['ours.example.com', 443, 'ours'],
  ]
  for (const [host, port, want] of cases) {
    const got = await reached({ host, port }, rules, { resolve, forbidden })
    assert.equal(got.ok ? got.value.address : got.error.reason, want, host)
  }
  assert.ok(!asked.includes('evil.test'))
})

const INSIDE = `
import http from 'node:http'
const ask = (url, headers = {}) => new Promise((resolve) => {
  const request = http.request({ host: '127.0.0.1', port: 3128, path: url, headers: { host: 'x', ...headers } }, async (response) => {
    let text = ''
    response.on('error', () => resolve('cut'))
    response.on('data', (chunk) => text += chunk)
    response.on('close', () => resolve(response.statusCode + ' ' + text))
  })
  request.on('error', (error) => resolve('cut'))
  request.end()
})
const [plain, secure] = process.argv.slice(2)
console.log(JSON.stringify([
  await ask('http://plain.test:' + plain + '/hello'),
  await ask('http://secure.test/who', { authorization: 'Bearer mine' }),
  await ask('http://secure.test/echo'),
  await ask('http://secure.test/echo-header'),
  await ask('http://evil.test/'),
  await ask('http://other.test:' + secure + '/'),
]))
`

test('egress: through the proxy; TLS that we speak, and a secret that the program never sees', async (t) => {
  const usable = await jailWorks(env)
  if (!usable.ok) return t.skip(usable.error.message)
  if (!existsSync('/usr/bin/openssl')) return t.skip('no openssl')
  const root = mkdtempSync('/tmp/behalf-egress-')
  t.after(() => rmSync(root, { recursive: true }))
  chmodSync(root, 0o755)
  const [key, certificate] = [join(root, 'key.pem'), join(root, 'cert.pem')]
  execFileSync(
    '/usr/bin/openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate,
      '-days',
      '2',
      '-subj',
      '/CN=secure.test',
      '-addext',
      'subjectAltName=DNS:secure.test',
    ],
    { stdio: 'ignore' },
  )
  const seen: string[] = []
  const plain = createHttpServer((_, response) => response.end('plain'))
  const tls = { key: readFileSync(key), cert: readFileSync(certificate) }
  const secure = createHttpsServer(tls, (request, response) => {
    seen.push(`${request.headers.host} ${request.headers.authorization}`)
    if (request.url === '/echo') response.write(`you said ${request.headers.authorization}`)
    if (request.url === '/echo-header')
      response.setHeader('x-you', String(request.headers.authorization))
    response.end('secure')
  })
  const [plainPort, securePort] = [await listening(t, plain), await listening(t, secure)]
  const addresses = ['127.0.0.1']
  const headers = { Authorization: 'Bearer not-for-the-program' }
  const certificateAuthority = tls.cert.toString()
  const egress: Destination[] = [
    { host: 'plain.test', ports: [plainPort], addresses },
    {
      host: 'secure.test',
      ports: [securePort],
      addresses,
      originate: { headers, certificateAuthority },
    },
    // The certificate does not name it.
    {
      host: 'other.test',
      ports: [securePort],
      addresses,
      originate: { headers, certificateAuthority },
    },
  ]
  const file = join(root, 'inside.mjs')
  writeFileSync(file, INSIDE)
  const ran = must(
    await sandboxed(
      {
        command: 'node',
        args: [file, String(plainPort), String(securePort)],
        readOnly: [],
        readWrite: [],
        environment: {},
        limits: { wallMilliseconds: 20_000 },
        tier: 'T1',
        egress,
      },
      { ...env, resolve: async () => addresses },
    ),
  )
  ran.stdin.end()
  let out = ''
  for await (const chunk of ran.stdout) out += String(chunk)
  assert.deepEqual(JSON.parse(out), ['200 plain', '200 secure', 'cut', '502 ', '403 ', '502 '])
  assert.deepEqual(
    seen,
    Array.from({ length: 3 }, () => `secure.test:${securePort} Bearer not-for-the-program`),
  )
  const { used, denied } = await ran.exit
  assert.ok(used.egress.sentBytes > 100 && used.egress.receivedBytes > 100)
  assert.deepEqual(denied, [{ what: 'egress', detail: 'evil.test:80: not on the list', times: 1 }])
})

test('egress: there is no way out of T0', async () => {
  const file = join(import.meta.dirname, 'escape-egress.ts')
  const spec = {
    command: 'node',
    args: [file],
    readOnly: [],
    readWrite: [],
    environment: {},
    limits: {},
  }
  const got = await sandboxed({ ...spec, tier: 'T0', egress: [{ host: 'example.com' }] }, env)
  assert.equal(got.ok ? 'ran' : got.error.reason, 'tier_unavailable')
})

async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}
