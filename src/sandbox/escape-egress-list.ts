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
}

/** The rules that the attempts are made against. */
export function egressRules(port: number): { rules: readonly Destination[]; resolve: Resolve } {
  const ports = [port]
  const addresses = ['127.0.0.1']
  return {
    rules: [
      { host: 'open.test', ports, addresses },
      ...['rebinding.test', 'mixed.test', 'metadata.test', 'mapped.test', 'private.test'].map(
        (host) => ({ host, ports }),
      ),
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

function tunnels(targets: Readonly<Record<string, (port: number) => string>>): EgressAttempt[] {
  return Object.entries(targets).map(([attempt, target]) => ({
    attempt,
    text: (port) => tunnel(target(port)),
    held: refused,
  }))
}
