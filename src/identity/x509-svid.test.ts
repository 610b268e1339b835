import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, verify, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { x509 } from './testing-x509.ts'
import { FakeClock } from '../base/clock.ts'
import { SeededRandom } from '../base/random.ts'
import { must } from '../base/result.ts'
import { testKeyring } from '../keys/testing.ts'
import { signingAuthority } from './authority.ts'
import { mintX509Svid } from './issue-svid.ts'
import { parseCertificate } from './parse-certificate.ts'
import { parseSpiffeId, parseTrustDomain } from './spiffe-id.ts'
import { rootCertificate } from './x509-svid.ts'

const ID = must(parseSpiffeId('spiffe://acme.example/agent/tax-preparer/0b1f'))
const HOUR = 3_600_000

async function mint(
  now = 1_767_225_600_000,
  id = ID,
): Promise<{ leaf: Buffer; root: Buffer; key: Buffer }> {
  const clock = new FakeClock(now)
  const random = new SeededRandom('x509')
  const trustDomain = must(parseTrustDomain('acme.example'))
  const authority = await signingAuthority({ keyring: testKeyring({ clock }), random, trustDomain })
  const { svid, key } = mintX509Svid(id, authority, { clock, random })
  return { leaf: svid, root: authority.certificate, key }
}

test('a general library reads a leaf as X509-SVID wants it', async () => {
  const { leaf, root } = await mint()
  const read = new x509.X509Certificate(leaf)

  assert.equal(read.subject, '')
  assert.equal(read.notBefore.getTime(), 1_767_225_600_000 - 60_000)
  assert.equal(read.notAfter.getTime(), 1_767_225_600_000 + HOUR)
  assert.ok(await read.verify({ publicKey: new x509.X509Certificate(root), signatureOnly: true }))

  const names = read.getExtension(x509.SubjectAlternativeNameExtension)
  assert.deepEqual([names?.critical, names?.names.toJSON()], [true, [{ type: 'url', value: ID }]])
  const constraints = read.getExtension(x509.BasicConstraintsExtension)
  assert.deepEqual([constraints?.critical, constraints?.ca], [true, false])
  const usage = read.getExtension(x509.KeyUsagesExtension)
  assert.deepEqual([usage?.critical, usage?.usages], [true, x509.KeyUsageFlags.digitalSignature])
  const extended = read.getExtension(x509.ExtendedKeyUsageExtension)
  assert.deepEqual(
    [...(extended?.usages ?? [])],
    [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
  )
  assert.equal(read.extensions.length, 5)
  const authority = read.getExtension(x509.AuthorityKeyIdentifierExtension)
  const rootKey = new x509.X509Certificate(root).getExtension(x509.SubjectKeyIdentifierExtension)
  assert.equal(authority?.keyId, rootKey?.keyId)
})

test('a general library reads a root as X509-SVID wants it', async () => {
  const { root } = await mint()
  const read = new x509.X509Certificate(root)

  assert.ok(await read.isSelfSigned())
  assert.notEqual(read.subject, '')
  const names = read.getExtension(x509.SubjectAlternativeNameExtension)
  assert.deepEqual(names?.names.toJSON(), [{ type: 'url', value: 'spiffe://acme.example' }])
  const constraints = read.getExtension(x509.BasicConstraintsExtension)
  assert.deepEqual(
    [constraints?.critical, constraints?.ca, constraints?.pathLength],
    [true, true, 0],
  )
  const usage = read.getExtension(x509.KeyUsagesExtension)
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags
  assert.deepEqual([usage?.critical, usage?.usages], [true, keyCertSign | cRLSign])
})

test('Node accepts the pair, and our own reader agrees with it', async () => {
  const { leaf, root, key } = await mint()
  const [node, nodeRoot] = [new X509Certificate(leaf), new X509Certificate(root)]
  assert.ok(node.checkIssued(nodeRoot) && node.verify(nodeRoot.publicKey))
  const privateKey = createPrivateKey({
    key,
    format: 'der',
    type: 'pkcs8',
  })
  assert.ok(node.checkPrivateKey(privateKey))

  const own = parseCertificate(leaf)
  assert.equal(own?.serial, node.serialNumber.toLowerCase())
  assert.equal(own.notAfter, node.validToDate.getTime())
  assert.equal(own.notBefore, node.validFromDate.getTime())
  assert.deepEqual(own.uris, [ID])
  assert.ok(own.publicKey.equals(node.publicKey))
})

const openssl = spawnSync('openssl', ['version']).status === 0

for (const [name, now, length] of [
  ['today', 1_767_225_600_000, 40],
  ['across the end of UTCTime', 2_524_608_000_000 - HOUR / 2, 40],
  ['with a SPIFFE ID of 2,048 bytes', 1_767_225_600_000, 2_048],
] as const) {
  test(`openssl verifies strictly, ${name}`, { skip: !openssl && 'no openssl here' }, async (t) => {
    const start = 'spiffe://acme.example/'
    const id = must(parseSpiffeId(start.padEnd(length, 'a')))
    const { leaf, root } = await mint(now, id)
    const folder = mkdtempSync(join(tmpdir(), 'behalf-x509-'))
    t.after(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'leaf.pem'), new X509Certificate(leaf).toString())
    writeFileSync(join(folder, 'root.pem'), new X509Certificate(root).toString())
    for (const purpose of ['sslclient', 'sslserver']) {
      const { status, stdout, stderr } = spawnSync(
        'openssl',
        `verify -x509_strict -purpose ${purpose} -attime ${now / 1000} -CAfile root.pem leaf.pem`.split(
          ' ',
        ),
        { cwd: folder, encoding: 'utf8' },
      )
      assert.deepEqual([status, stdout, stderr], [0, 'leaf.pem: OK\n', ''])
    }
  })
}

test('a leaf never outlives its root', async () => {
  const clock = new FakeClock()
  const random = new SeededRandom('expiring')
  const trustDomain = must(parseTrustDomain('acme.example'))
  const authority = await signingAuthority({ keyring: testKeyring({ clock }), random, trustDomain })
  await clock.advance(authority.notAfter - clock.nowMilliseconds() - 60_000)
  assert.equal(mintX509Svid(ID, authority, { clock, random }).expiresAt * 1000, authority.notAfter)
  await clock.advance(60_000)
  assert.throws(() => mintX509Svid(ID, authority, { clock, random }), /has not expired/)
})

test('serial numbers are positive, of 16 bytes, and differ', async () => {
  const serials = new Set<string>()
  const clock = new FakeClock()
  const random = new SeededRandom('serial')
  const trustDomain = must(parseTrustDomain('acme.example'))
  const authority = await signingAuthority({ keyring: testKeyring({ clock }), random, trustDomain })
  for (let n = 0; n < 200; n++) {
    const { serial } = mintX509Svid(ID, authority, { clock, random })
    assert.equal(serial.length, 16)
    assert.ok((serial[0] ?? 0) >= 0x40 && (serial[0] ?? 0) < 0x80)
    serials.add(serial.toString('hex'))
  }
  assert.equal(serials.size, 200)
})

test('every byte of a leaf is covered: no single flip is read as a valid certificate of the root', async () => {
  const { leaf, root } = await mint()
  const rootKey = new X509Certificate(root).publicKey
  for (let at = 0; at < leaf.length; at++) {
    const bent = Buffer.from(leaf)
    bent[at] = (bent[at] ?? 0) ^ 1
    const read = parseCertificate(bent)
    const holds = read !== undefined && verify('sha256', read.signedPart, rootKey, read.signature)
    assert.ok(!holds, `byte ${at}`)
  }
})

test('a root is refused under another trust domain or key', async () => {
  const clock = new FakeClock()
  const keyring = testKeyring({ clock })
  const random = new SeededRandom('moved')
  const [acme, other] = ['acme.example', 'other.example'].map((name) =>
    must(parseTrustDomain(name)),
  )
  assert.ok(acme && other)
  const first = await signingAuthority({ keyring, random, trustDomain: acme })
  await keyring.certify(keyring.active('svid_ca').kid, first.certificate)
  // The certificate is kept with the key, as after a restart under another configuration.
  const { kid, certificate } = { ...keyring.active('svid_ca') }
  assert.ok(certificate)
  const moved = { ...keyring, active: () => ({ ...keyring.active('svid_ca') }) }
  await assert.rejects(signingAuthority({ keyring: moved, random, trustDomain: other }), {
    message: 'expected a root of trust domain `other.example`, got one of `spiffe://acme.example`',
  })

  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const forged = rootCertificate({
    ...stranger,
    trustDomain: acme,
    kid,
    serial: Buffer.of(1),
    notBefore: 0,
    notAfter: 4_000_000_000_000,
  })
  const planted = {
    ...keyring,
    active: () => ({ ...keyring.active('svid_ca'), certificate: forged }),
  }
  await assert.rejects(signingAuthority({ keyring: planted, random, trustDomain: acme }), {
    message: `expected a certificate that key \`${kid}\` signed for itself`,
  })
})
