import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seccompFilter } from './seccomp.ts'

const X64 = 0xc000003e
const ALLOW = 0x7fff0000
const EPERM = 0x00050001
const ENOSYS = 0x00050026
const KILL = 0x80000000

/** Runs a filter as the kernel would (linux/filter.h), on one struct seccomp_data. */
function verdict(filter: Buffer, call: { arch?: number; number: number; args?: number[] }): number {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(call.number, 0)
  data.writeUInt32LE(call.arch ?? X64, 4)
  for (const [i, value] of (call.args ?? []).entries()) {
    data.writeBigUInt64LE(BigInt(value), 16 + i * 8)
  }
  let accumulator = 0
  for (let at = 0; at < filter.length / 8; at++) {
    const code = filter.readUInt16LE(at * 8)
    const [then, otherwise] = [filter.readUInt8(at * 8 + 2), filter.readUInt8(at * 8 + 3)]
    const value = filter.readUInt32LE(at * 8 + 4)
    if (code === 0x20) accumulator = data.readUInt32LE(value)
    else if (code === 0x06) return value
    else {
      const holds =
        code === 0x15
          ? accumulator === value
          : code === 0x35
            ? accumulator >= value
            : (accumulator & value) !== 0
      at += holds ? then : otherwise
    }
  }
  throw new Error('fell off the end')
}

const SIGCHLD = 17
const cases: [string, Parameters<typeof verdict>[1], number][] = [
  ['read', { number: 0 }, ALLOW],
  ['the last call of today', { number: 462 }, ALLOW],
  ['ptrace', { number: 101 }, EPERM],
  ['unshare', { number: 272 }, EPERM],
  ['bpf', { number: 321 }, EPERM],
  ['io_uring_setup', { number: 425 }, EPERM],
  ['clone3', { number: 435 }, ENOSYS],
  ['fork', { number: 56, args: [SIGCHLD] }, ALLOW],
  ['a thread', { number: 56, args: [0x3d0f00] }, ALLOW],
  ['clone into a new user namespace', { number: 56, args: [0x10000000 | SIGCHLD] }, EPERM],
  ['clone into a new network', { number: 56, args: [0x40000000] }, EPERM],
  ['an internet socket', { number: 41, args: [2] }, ALLOW],
  ['an IPv6 socket', { number: 41, args: [10] }, ALLOW],
  ['a unix socket', { number: 41, args: [1] }, EPERM],
  ['a netlink socket', { number: 41, args: [16] }, EPERM],
  ['a pair of unix sockets', { number: 53, args: [1, 1] }, ALLOW],
  ['a pair that closes at exec', { number: 53, args: [1, 0x80801] }, ALLOW],
  ['a pair of packet sockets', { number: 53, args: [1, 5] }, ALLOW],
  ['a pair of datagram sockets', { number: 53, args: [1, 2] }, EPERM],
  ['a pair of datagram sockets that closes at exec', { number: 53, args: [1, 0x80802] }, EPERM],
  ['a pair of raw sockets', { number: 53, args: [1, 3] }, EPERM],
  ['a pair of another family', { number: 53, args: [30, 1] }, EPERM],
  ['chmod', { number: 90, args: [0, 0o755] }, ALLOW],
  ['chmod with the sticky bit', { number: 90, args: [0, 0o1777] }, ALLOW],
  ['chmod to another’s rights', { number: 90, args: [0, 0o4755] }, EPERM],
  ['fchmod to a group’s rights', { number: 91, args: [0, 0o2755] }, EPERM],
  ['fchmodat to another’s rights', { number: 268, args: [0, 0, 0o4755] }, EPERM],
  ['fchmodat2 to another’s rights', { number: 452, args: [0, 0, 0o6755] }, EPERM],
  ['mknod with another’s rights', { number: 133, args: [0, 0o104755] }, EPERM],
  ['mknodat with another’s rights', { number: 259, args: [0, 0, 0o104755] }, EPERM],
  ['creat with another’s rights', { number: 85, args: [0, 0o4755] }, EPERM],
  ['open to read, the mode anything', { number: 2, args: [0, 0, 0o6777] }, ALLOW],
  ['open to create', { number: 2, args: [0, 0o102, 0o644] }, ALLOW],
  ['open to create with another’s rights', { number: 2, args: [0, 0o102, 0o4755] }, EPERM],
  ['openat to create with another’s rights', { number: 257, args: [0, 0, 0o102, 0o4755] }, EPERM],
  ['openat without a name', { number: 257, args: [0, 0, 0o20200002, 0o4755] }, EPERM],
  ['openat to read, the mode anything', { number: 257, args: [0, 0, 0, 0o4755] }, ALLOW],
  ['openat2', { number: 437 }, ENOSYS],
  ['fanotify_init', { number: 300 }, EPERM],
  ['TCGETS', { number: 16, args: [0, 0x5401] }, ALLOW],
  ['TIOCSTI', { number: 16, args: [0, 0x5412] }, EPERM],
  [
    'TIOCSTI with high bits that the kernel drops',
    { number: 16, args: [0, 2 ** 32 + 0x5412] },
    EPERM,
  ],
  ['TIOCSETD', { number: 16, args: [0, 0x5423] }, EPERM],
  ['TIOCLINUX', { number: 16, args: [0, 0x541c] }, EPERM],
  ['prctl', { number: 157, args: [15] }, ALLOW],
  ['a signal at the end of the parent, changed', { number: 157, args: [1, 0] }, EPERM],
  ['memfd_create', { number: 319 }, ENOSYS],
  ['fallocate', { number: 285 }, 0x0005005f],
  ['a call by its x32 number', { number: 0x40000000 + 101 }, KILL],
  ['a call of 32-bit x86', { arch: 0x40000003, number: 26 }, KILL],
]

for (const [name, call, want] of cases) {
  test(`seccomp: ${name}`, () => {
    assert.equal(verdict(seccompFilter('x64') ?? Buffer.alloc(0), call), want)
  })
}

test('seccomp: there is no filter for a machine whose numbers were not written down', () => {
  assert.equal(seccompFilter('arm64'), undefined)
})
