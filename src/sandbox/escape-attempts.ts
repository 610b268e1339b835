/**
 * Runs inside a sandbox and tries to get out. It imports nothing of ours, for it is what must be held.
 *
 * Each attempt throws or says nothing where it is held; where it gets through it says what it got. The
 * last line of output is a JSON object by attempt: null where held.
 */

/* oxlint-disable no-restricted-globals -- a program of its own, that is run alone: there is no clock to give it */

import { execFileSync, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import dns from 'node:dns/promises'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import os from 'node:os'
import { Worker } from 'node:worker_threads'

/** What the host prepared, for the attempts to find. */
export interface Prepared {
  /** A folder with `secret.txt`, beside `open/` (read-only) and `work/` (read-write). */
  readonly root: string
  readonly secret: string
  /** A server on the host's loopback. */
  readonly port: number
  /** A process of the host. */
  readonly hostPid: number
  /** The name of an abstract unix socket of the host. */
  readonly abstract: string
}

const prepared = JSON.parse(process.argv[2] ?? '{}') as Prepared
const { root, secret, port, hostPid, abstract } = prepared
const require = createRequire(import.meta.url)
const PROMPT_MILLISECONDS = 1_500

/** The bytes of `path` if they hold the secret, or any if there is none to look for. */
function stolen(path: string | Buffer | URL, wanted = secret): string | undefined {
  return fs.readFileSync(path, 'latin1').includes(wanted) ? `read \`${String(path)}\`` : undefined
}

function wrote(path: string, content = 'x'): string {
  fs.writeFileSync(path, content)
  return `wrote \`${path}\``
}

async function connects(options: net.NetConnectOpts): Promise<string> {
  const socket = net.connect(options)
  socket.setTimeout(PROMPT_MILLISECONDS, () => socket.destroy(new Error('late')))
  return (await new Promise((resolve, reject) => {
    socket.once('connect', () => resolve('connected'))
    socket.once('error', reject)
    socket.once('close', reject)
  }).finally(() => socket.destroy())) as string
}

async function datagram(address: string): Promise<string> {
  const socket = dgram.createSocket('udp4')
  return await new Promise<string>((resolve, reject) => {
    socket.once('error', reject)
    socket.send('secret', 53, address, (error) =>
      error === null ? resolve('sent a datagram') : reject(error),
    )
  }).finally(() => socket.close())
}

const EPERM = 1
const ENOSYS = 38
type Call = (...numbers: bigint[]) => bigint

/** The system call `number`: its result, or what it failed with. */
function system(
  number: number,
  ...rest: readonly (number | bigint)[]
): { value: bigint; errno: number } {
  const { dlopen, getInt32 } = process.getBuiltinModule('node:ffi')
  const i64 = 'i64' as const
  const { functions } = dlopen(null, {
    syscall: { arguments: [i64, i64, i64, i64, i64, i64, i64], return: i64 },
    __errno_location: { arguments: [], return: 'pointer' },
  })
  const words = [0, 1, 2, 3, 4, 5].map((i) => BigInt(rest[i] ?? 0))
  const value = (functions['syscall'] as unknown as Call)(BigInt(number), ...words)
  const place = (functions['__errno_location'] as unknown as () => bigint)()
  return { value, errno: value === -1n ? getInt32(place, 0) : 0 }
}

/** Says that a call got through; failing for another reason than being refused is getting through. */
function called(number: number, ...rest: readonly (number | bigint)[]): string | undefined {
  const { value, errno } = system(number, ...rest)
  return errno === EPERM || errno === ENOSYS
    ? undefined
    : `system call ${number}: ${value}, errno ${errno}`
}

/** Says that a call succeeded: for calls that are allowed, and fail. */
function succeeded(number: number, ...rest: readonly (number | bigint)[]): string | undefined {
  const { value } = system(number, ...rest)
  return value === -1n ? undefined : `system call ${number}: ${value}`
}

function runs(file: string, ...args: string[]): string {
  return `\`${file}\` said ${JSON.stringify(
    execFileSync(file, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: PROMPT_MILLISECONDS })
      .toString()
      .slice(0, 100),
  )}`
}

function statusLine(name: string): string {
  return (
    new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(
      fs.readFileSync('/proc/self/status', 'latin1'),
    )?.[1] ?? ''
  )
}

type Got = string | number | bigint | undefined
type Attempt = () => Got | Promise<Got>
const HASTE = -10

/** By name. Those that end or flood the sandbox are in `escape-bombs.ts`. */
const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  // files
  'read /etc/shadow': () => stolen('/etc/shadow', ':'),
  'read /etc/passwd': () => stolen('/etc/passwd', 'root'),
  'read ~/.ssh': () => fs.readdirSync(`${os.homedir()}/.ssh`).join(),
  'list /root and /home': () =>
    [...fs.readdirSync('/root'), ...fs.readdirSync('/home')].join() || undefined,
  'read beside the mounts': () => stolen(`${root}/secret.txt`),
  'read through a mount and back': () => stolen(`${root}/open/../secret.txt`),
  'read by a path of bytes': () => stolen(Buffer.from(`${root}/open/../secret.txt`)),
  'read by a file URL': () => stolen(new URL(`file://${root}/open/%2e%2e/secret.txt`)),
  'read through a symbolic link of its own': () => {
    fs.symlinkSync(`${root}/secret.txt`, `${root}/work/output`)
    return stolen(`${root}/work/output`)
  },
  'read through a hard link of its own': () => {
    fs.linkSync(`${root}/secret.txt`, `${root}/work/hard`)
    return stolen(`${root}/work/hard`)
  },
  'read through a symbolic link that lies in a mount': () => stolen(`${root}/work/planted`),
  'import beside the mounts': async () =>
    JSON.stringify(await import(`${root}/secret.json`, { with: { type: 'json' } })),
  'require beside the mounts': () => JSON.stringify(require(`${root}/secret.json`)),
  'open a database beside the mounts': () => {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    new DatabaseSync(`${root}/stolen.db`).exec('create table t(x)')
    // A jail's own empty folder around a mount is nobody's.
    return fs.existsSync(`${root}/secret.txt`) ? 'made a file' : undefined
  },
  'write into a read-only mount': () => wrote(`${root}/open/new`),
  'write beside the mounts': () => {
    wrote(`${root}/new`)
    // A jail's own empty folder around a mount is nobody's.
    return fs.existsSync(`${root}/secret.txt`) ? 'wrote beside' : undefined
  },
  'write into /usr': () => wrote('/usr/new'),
  'write into the root folder': () => wrote('/new'),
  'write into /dev/shm': () => wrote('/dev/shm/new'),
  'write into /sys': () => wrote('/sys/kernel/uevent_helper'),
  'move a mount away': () => (fs.renameSync(`${root}/work`, `${root}/open/work`), 'moved it'),
  'make a device': () => called(133, text('/tmp/null'), 0o20666, 0x103),
  'read the memory or a disk of the machine': () =>
    ['/dev/mem', '/dev/kmem', '/dev/sda', '/dev/vda', '/dev/nvme0n1']
      .filter((device) => opens(device))
      .join() || undefined,
  // other processes
  "read another process's environment": () => stolen(`/proc/${hostPid}/environ`),
  "read the first process's environment": () => stolen('/proc/1/environ'),
  'reach the root of the first process': () => stolen(`/proc/1/root${root}/secret.txt`),
  'reach the root of its parent': () => stolen(`/proc/${process.ppid}/root${root}/secret.txt`),
  // It is ours to write (one user, one namespace), and must be worth nothing: the same filter, no capability,
  // and no way to outlive the host.
  'take over the first process': () => {
    const status = fs.readFileSync('/proc/1/status', 'latin1')
    const bound = /^Seccomp:\t2$/m.test(status) && /^NoNewPrivs:\t1$/m.test(status)
    return bound && /^CapEff:\t0+$/m.test(status) ? undefined : 'the first process may do more'
  },
  'outlive its host': () => called(157, 1, 0),
  'write over its own executable': () => wrote('/proc/self/exe'),
  'signal a process of the host': () => (process.kill(hostPid, 0), 'signalled it'),
  'signal a process of the host by system call': () => succeeded(62, hostPid, 0),
  'signal every process': () => {
    // Not delivered (0), only asked: who is there besides us?
    const others = fs
      .readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
    return others.includes(hostPid) ? 'sees the host' : undefined
  },
  'trace the first process': () => called(101, 16, 1),
  'read the memory of another process': () => called(310, process.ppid, 0, 0, 0, 0),
  'write the memory of another process': () => called(311, process.ppid, 0, 0, 0, 0),
  'take a descriptor of another process': () =>
    succeeded(438, Number(system(434, 1, 0).value), 0, 0),
  'compare with another process': () => called(312, 1, 1, 0, 0, 0),
  'start the debugger of another process': () => {
    const start = (process as unknown as Record<string, (pid: number) => void>)['_debugProcess']
    if (start === undefined) return undefined
    start(hostPid)
    return 'started it'
  },
  'find an inherited descriptor': () => {
    for (const fd of fs.readdirSync('/proc/self/fd').map(Number)) {
      // A pipe would be waited for, a file is there at once.
      if (fd > 2 && isFile(fd) && fs.readFileSync(fd, 'latin1').includes(secret))
        return `descriptor ${fd}`
    }
    return undefined
  },
  'find a secret in its environment': () =>
    JSON.stringify(process.env).includes(secret) ? 'found' : undefined,
  // the network
  'reach the metadata service': () => connects({ host: '169.254.169.254', port: 80 }),
  'reach the loopback of the host': () => connects({ host: '127.0.0.1', port }),
  'reach the loopback of the host over IPv6': () => connects({ host: '::1', port }),
  'reach an address past the proxy': () => connects({ host: '1.1.1.1', port: 443 }),
  'ask the resolver': async () => (await dns.resolve('secret.example.com')).join(),
  'ask a name server by datagram': () => datagram('8.8.8.8'),
  'ask a private network': () => connects({ host: '10.0.0.1', port: 80 }),
  'reach the proxy of another sandbox': () => connects({ host: '127.0.0.1', port: 3128 }),
  'fetch from the host': async () => (await fetch(`http://127.0.0.1:${port}/`)).status,
  'reach a unix socket in a mount': () => connects({ path: `${root}/work/socket` }),
  'reach an abstract unix socket': () => connects({ path: `\0${abstract}` }),
  'reach the container engine': () => connects({ path: '/var/run/docker.sock' }),
  'open a raw socket': () => called(41, 2, 3, 1),
  'open a packet socket': () => called(41, 17, 3, 768),
  'open a netlink socket': () => called(41, 16, 3, 0),
  'open a socket to the kernel’s cryptography': () => called(41, 38, 5, 0),
  'open a socket to the hypervisor': () => called(41, 40, 1, 0),
  // the kernel
  'send to a path from a pair of datagram sockets': () => called(53, 1, 2, 0, buffer(8)),
  'make a pair of sockets of another family': () => called(53, 30, 1, 0, buffer(8)),
  // Its streams are sockets, whose other end is its host.
  'signal its host by its own streams': () => {
    const [own, size] = [buffer(4), buffer(4, 4)]
    for (const fd of [0, 1, 2]) {
      // SOL_SOCKET, SO_PEERPIDFD
      if (system(55, fd, 1, 77, own, size).value !== 0n) continue
      const { value } = system(424, process.getBuiltinModule('node:ffi').getInt32(own, 0), 0, 0, 0)
      if (value === 0n) return 'signalled it'
    }
    return undefined
  },
  'make a program that lends its user’s rights': () => {
    wrote(`${root}/work/lend`)
    fs.chmodSync(`${root}/work/lend`, 0o4755)
    return 'made it'
  },
  'make such a program at once': () => (
    fs.closeSync(fs.openSync(`${root}/work/lent`, 'w', 0o4755)),
    (fs.statSync(`${root}/work/lent`).mode & 0o4000) === 0 ? undefined : 'made it'
  ),
  'give a file capabilities': () => {
    wrote(`${root}/work/capable`)
    return succeeded(
      188,
      text(`${root}/work/capable`),
      text('security.capability'),
      buffer(20),
      20,
      0,
    )
  },
  'write release_agent': () =>
    wrote('/sys/fs/cgroup/release_agent', '/tmp/x') ?? wrote('/sys/fs/cgroup/memory/release_agent'),
  'leave its control group': () => wrote('/sys/fs/cgroup/cgroup.procs', String(process.pid)),
  'read the kernel’s memory': () =>
    opens('/proc/kcore') || opens('/dev/mem') ? 'opened it' : undefined,
  'watch the host’s files': () => called(300, 0, 0) ?? called(301, 0, 0, 0, 0, 0),
  'change its segments': () => called(154, 0, 0, 0),
  'change the line discipline of the terminal': () => called(16, 0, 0x5423, 0),
  'trace a sibling': () => {
    const child = spawn('/bin/sleep', ['5'], { stdio: 'ignore' })
    const { pid } = child
    const traced = pid === undefined ? undefined : called(101, 16, pid)
    child.kill()
    return traced
  },
  'write core_pattern': () => wrote('/proc/sys/kernel/core_pattern', '|/x'),
  'write sysrq-trigger': () => wrote('/proc/sysrq-trigger', 'h'),
  'make a user namespace': () => runs('/usr/bin/unshare', '--user', '/usr/bin/true'),
  'make a user namespace by system call': () => called(272, 0x10000000),
  'make a namespace by clone': () => called(56, 0x10000000 | 17),
  'make a namespace by clone3': () => called(435, 0, 0),
  'join a namespace': () => called(308, 0, 0),
  mount: () => called(165, 0, 0, 0, 0, 0),
  'mount by the newer calls': () =>
    called(430, 0, 0) ?? called(428, 0, 0, 0) ?? called(442, 0, 0, 0, 0, 0),
  'unmount what hides a path': () => called(166, text('/tmp'), 2),
  'change the root': () => called(161, text('/tmp')) ?? called(155, 0, 0),
  'open by file handle': () => called(304, 0, 0, 0),
  'set up io_uring': () => called(425, 1, 0),
  'load a BPF program': () => called(321, 0, 0, 0),
  'use the kernel’s keys': () => called(250, 0, 0) ?? called(248, 0, 0, 0, 0, 0),
  'open a performance event': () => called(298, 0, 0, 0, 0, 0),
  'handle page faults': () => called(323, 0),
  'change the personality': () => called(135, 0xffffffff),
  'load a module': () => called(175, 0, 0, 0) ?? called(313, 0, 0, 0),
  'read the kernel’s messages': () => called(103, 3, 0, 0),
  'push input into the terminal': () => called(16, 0, 0x5412, 0),
  'open the terminal': () => wrote('/dev/tty'),
  'run code from memory': () => called(319, text('x'), 0),
  'keep memory outside of every process': () =>
    called(29, 0, 4096, 0o1600) ?? called(240, 0, 0, 0, 0),
  'become root': () => succeeded(105, 0) ?? succeeded(106, 0),
  'run a program that would make it root': () =>
    statusLine('NoNewPrivs') === '1' ? undefined : 'privileges can still be gained',
  'hold a capability': () =>
    /^0+$/.test(statusLine('CapEff')) ? undefined : `holds ${statusLine('CapEff')}`,
  'raise its limits': () => {
    runs('/usr/bin/prlimit', '--nproc=1000000', '--', '/usr/bin/true')
    return 'raised them'
  },
  'go before others': () => (os.setPriority(0, HASTE), 'went before'),
  'change the name of the machine': () => succeeded(170, text('x'), 1),
  'change the time': () => succeeded(227, 0, text('')),
  // JavaScript's own ways
  'start a process': () => runs('/usr/bin/id'),
  'start a worker': async () => {
    const worker = new Worker('process.exit(0)', { eval: true })
    return await new Promise<string>((resolve, reject) => {
      worker.once('exit', () => resolve('started it'))
      worker.once('error', reject)
    })
  },
  'load a native addon': () => (
    process.dlopen({ exports: {} }, '/usr/lib/x86_64-linux-gnu/libc.so.6'),
    'loaded'
  ),
  'call a foreign function': () => system(39).value,
  'reach internal bindings': () =>
    typeof (process as unknown as { binding(name: string): object }).binding('fs') === 'object'
      ? 'reached'
      : undefined,
  'open the inspector': () => {
    const inspector = process.getBuiltinModule('node:inspector')
    inspector.open(0)
    return inspector.url()
  },
  'become another program': () =>
    process.execve === undefined ? undefined : process.execve('/usr/bin/id', ['id'], {}),
}

function isFile(fd: number): boolean {
  try {
    return fs.fstatSync(fd).isFile()
  } catch {
    return false
  }
}

function opens(device: string): boolean {
  try {
    fs.closeSync(fs.openSync(device, 'r'))
    return true
  } catch {
    return false
  }
}

const kept: Buffer[] = []

/** The address of `size` bytes, the first of which is `first`. */
function buffer(size: number, first = 0): bigint {
  const bytes = Buffer.alloc(size)
  bytes[0] = first
  kept.push(bytes)
  return process.getBuiltinModule('node:ffi').getRawPointer(bytes)
}

/** The address of a string that ends with NUL, kept alive. */
function text(value: string): bigint {
  const bytes = Buffer.from(`${value}\0`)
  kept.push(bytes)
  return process.getBuiltinModule('node:ffi').getRawPointer(bytes)
}

const without = new Set((process.argv[3] ?? '').split('\n'))
const only = process.argv[4]?.split('\n')
const report: Record<string, string | null> = {}
for (const [name, attempt] of Object.entries(ATTEMPTS)) {
  if (without.has(name) || only?.includes(name) === false) continue
  try {
    const got = await attempt()
    report[name] = got === undefined ? null : String(got).slice(0, 300)
  } catch (cause) {
    report[name] = null
    void cause
  }
}
process.stdout.write(`\n${JSON.stringify(report)}\n`, () => process.exit(0))
