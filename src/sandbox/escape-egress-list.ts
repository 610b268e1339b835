/** Attempts on the proxy: what is said to it, and which answer holds. */

import type { Destination, Resolve } from './egress.ts'

/** One of them. */
export interface EgressAttempt {
  readonly attempt: string
  /** `port` is the host's server. */
  readonly text: (port: number) => string
  readonly held: (answer: string, secret: string) => boolean
}

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'open.test': ['127.0.0.1'],
  'rebinding.test': ['127.0.0.1'],
  'mixed.test': ['93.184.216.34', '10.0.0.1'],
  'metadata.test': ['169.254.169.254'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'private.test': ['192.168.1.1'],
  'ours.test': ['127.0.0.1'],
  'inner.wild.test': ['10.1.1.1'],
  'zone.test': ['fe80::1%eth0'],
}

/** The rules that the attempts are made against. */
export function egressRules(port: number): { rules: readonly Destination[]; resolve: Resolve } {
  const ports = [port]
  const addresses = ['127.0.0.1']
  return {
    rules: [
      { host: 'open.test', ports, addresses },
      ...[
        'rebinding.test',
        'mixed.test',
        'metadata.test',
        'mapped.test',
        'private.test',
        'zone.test',
      ].map((host) => ({ host, ports })),
      { host: '*.wild.test', ports },
      {
        host: 'ours.test',
        ports,
        addresses,
        originate: { headers: { authorization: 'Bearer not-yours-to-see' } },
      },
    ],
    resolve: async (host) => NAMES[host] ?? [],
  }
}

const refused = (answer: string): boolean => /^HTTP\/1\.1 40[03] /.test(answer)
const tunnel = (target: string): string => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`
const get = (url: string, headers = ''): string =>
  `GET ${url} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`

/** In the order in which they are made. */
export const EGRESS_ATTEMPTS: readonly EgressAttempt[] = [
  ...tunnels({
    'tunnel to a host that is not on the list': () => 'evil.test:443',
    'tunnel to another port of a host on the list': () => 'open.test:22',
    'tunnel to an address': (port) => `127.0.0.1:${port}`,
    'tunnel to the metadata service': () => '169.254.169.254:80',
    'tunnel to an address written as a number': (port) => `2130706433:${port}`,
    'tunnel to an address in hexadecimal': (port) => `0x7f000001:${port}`,
    'tunnel to a short address': (port) => `127.1:${port}`,
    'tunnel to a mapped address': (port) => `[::ffff:127.0.0.1]:${port}`,
    'tunnel to an address in octal': (port) => `0177.0.0.1:${port}`,
    'tunnel to an address of one part': (port) => `0:${port}`,
    'tunnel to an address in escapes': (port) => `%31%32%37.0.0.1:${port}`,
    'tunnel to the loopback by its name': (port) => `localhost:${port}`,
    'tunnel to the loopback over IPv6': (port) => `[::1]:${port}`,
    'tunnel to every address': (port) => `[::]:${port}`,
    'tunnel to a mapped address in hexadecimal': (port) => `[::ffff:7f00:1]:${port}`,
    'tunnel to an address behind a translation': (port) => `[64:ff9b::7f00:1]:${port}`,
    'tunnel to an embedded address': (port) => `[2002:7f00:1::]:${port}`,
    'tunnel to a link-local address with a zone': (port) => `zone.test:${port}`,
    'tunnel to a private name below a wildcard': (port) => `inner.wild.test:${port}`,
    'tunnel with a query before the host': (port) => `open.test?@127.0.0.1:${port}`,
    'tunnel with NUL in the host': (port) => `open.test%00.evil.test:${port}`,
    'tunnel without a port': () => 'open.test',
    'tunnel to a port beyond all': () => 'open.test:99999',
    'tunnel with a sign before the port': (port) => `open.test:+${port}`,
    'tunnel to a name that is bound to the loopback': (port) => `rebinding.test:${port}`,
    'tunnel to a name of which one address is private': (port) => `mixed.test:${port}`,
    'tunnel to a name of the metadata service': (port) => `metadata.test:${port}`,
    'tunnel to a name with a mapped address': (port) => `mapped.test:${port}`,
    'tunnel to a name of a private network': (port) => `private.test:${port}`,
    'tunnel with a user before the host': (port) => `open.test@127.0.0.1:${port}`,
    'tunnel with a path behind the host': (port) => `open.test:${port}/../127.0.0.1:${port}`,
    'tunnel to a name with a final dot': (port) => `rebinding.test.:${port}`,
    'tunnel to the name that a wildcard hangs from': (port) => `wild.test:${port}`,
    'tunnel past the TLS that we speak': (port) => `ours.test:${port}`,
  }),
  // No request at all to an HTTP parser: closed without a word.
  ...tunnels(
    {
      'tunnel to an address in other digits': (port) => `①②⑦.⓪.⓪.①:${port}`,
      'tunnel with a fragment before the host': (port) => `open.test#@127.0.0.1:${port}`,
      'tunnel with a backslash in the host': (port) => `open.test\\@127.0.0.1:${port}`,
    },
    (answer) => answer === '' || refused(answer),
  ),
  {
    attempt: 'follow a redirect to the loopback',
    text: (port) => get(`http://open.test:${port}/redirect`, 'Host: open.test\r\n'),
    held: (answer, secret) => answer.startsWith('HTTP/1.1 302 ') && !answer.includes(secret),
  },
  {
    attempt: 'ask for what the redirect named',
    text: (port) => get(`http://127.0.0.1:${port}/secret`),
    held: refused,
  },
  {
    attempt: 'name another host behind an allowed one',
    text: (port) => get(`http://open.test:${port}/`, 'Host: evil.test\r\n'),
    held: (answer) => answer.includes('"host":"open.test:') && !answer.includes('evil.test'),
  },
  {
    attempt: 'ask in origin form',
    text: (port) => get('/secret', `Host: 127.0.0.1:${port}\r\n`),
    held: refused,
  },
  {
    attempt: 'ask with two lengths',
    text: (port) =>
      `POST http://open.test:${port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://127.0.0.1/ HTTP/1.1\r\n\r\n`,
    held: (answer) => !answer.startsWith('HTTP/1.1 200'),
  },
  {
    attempt: 'ask for another host in the same breath',
    text: (port) =>
      `GET http://open.test:${port}/ HTTP/1.1\r\nHost: a\r\n\r\n${get(`http://127.0.0.1:${port}/secret`, 'Host: a\r\n')}`,
    held: (answer, secret) => !answer.includes(secret) && / 403 Forbidden/.test(answer),
  },
  {
    attempt: 'hide a request in the body of another',
    text: (port) =>
      `POST http://open.test:${port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nGET /secret HTTP/1.1\r\n\r\n`,
    held: (answer, secret) => !answer.startsWith('HTTP/1.1 200') && !answer.includes(secret),
  },
  {
    attempt: 'continue a header on the next line',
    text: (port) =>
      get(`http://open.test:${port}/`, 'Host: a\r\nX-A: b\r\n Proxy-Authorization: c\r\n'),
    held: (answer) => !/proxy-authorization":/.test(answer),
  },
  {
    attempt: 'end a header with a bare line feed',
    text: (port) => get(`http://open.test:${port}/`, 'Host: a\r\nX-A: b\nX-Smuggled: c\r\n'),
    held: (answer) => !answer.includes('x-smuggled'),
  },
  {
    attempt: 'put white space before the colon of a header',
    text: (port) =>
      `POST http://open.test:${port}/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`,
    held: (answer) => !answer.startsWith('HTTP/1.1 200'),
  },
  {
    attempt: 'ask with a user in the address',
    text: (port) => get(`http://open.test@127.0.0.1:${port}/secret`, 'Host: a\r\n'),
    held: refused,
  },
  {
    attempt: 'ask for another scheme',
    text: () => get('file:///etc/passwd', 'Host: a\r\n'),
    held: refused,
  },
  {
    attempt: 'have its request repeated to it',
    text: (port) =>
      `TRACE http://open.test:${port}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    held: (answer) => /^HTTP\/1\.1 40[05]/.test(answer),
  },
  {
    attempt: 'turn the connection into another protocol',
    text: (port) =>
      `GET http://open.test:${port}/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
    held: (answer) => !answer.startsWith('HTTP/1.1 101') && !answer.includes('"upgrade"'),
  },
  {
    attempt: 'send the proxy’s own headers on',
    text: (port) =>
      get(
        `http://open.test:${port}/`,
        'Host: a\r\nProxy-Authorization: Basic eA==\r\nX-Hop: 1\r\nConnection: X-Hop\r\n',
      ),
    held: (answer) =>
      answer.startsWith('HTTP/1.1 200') && !/proxy-authorization|x-hop/.test(answer),
  },
]

function tunnels(
  targets: Readonly<Record<string, (port: number) => string>>,
  held: EgressAttempt['held'] = refused,
): EgressAttempt[] {
  return Object.entries(targets).map(([attempt, target]) => ({
    attempt,
    text: (port) => tunnel(target(port)),
    held,
  }))
}
