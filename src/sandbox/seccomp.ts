/**
 * The system calls that a jailed program may not make, as a classic BPF program for `bwrap --seccomp`.
 *
 * A deny list on top of namespaces: what reaches other processes, the kernel's configuration, new
 * namespaces, unix sockets, the terminal, or lends a user's rights by a file. Refused calls fail with EPERM; a foreign calling convention
 * kills the program, for its numbers would mean other calls.
 *
 * @see seccomp(2), and struct seccomp_data in linux/seccomp.h
 */

// x64 numbers (arch/x86/entry/syscalls/syscall_64.tbl).
const DENIED = {
  // other processes
  ptrace: 101,
  process_vm_readv: 310,
  process_vm_writev: 311,
  kcmp: 312,
  pidfd_getfd: 438,
  process_madvise: 440,
  process_mrelease: 448,
  // mounts and namespaces
  pivot_root: 155,
  chroot: 161,
  mount: 165,
  umount2: 166,
  unshare: 272,
  setns: 308,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  mount_setattr: 442,
  open_tree_attr: 467,
  // file handles reach past mounts
  name_to_handle_at: 303,
  open_by_handle_at: 304,
  // the kernel: its keys, programs, events, modules, switches
  add_key: 248,
  request_key: 249,
  keyctl: 250,
  perf_event_open: 298,
  bpf: 321,
  userfaultfd: 323,
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  syslog: 103,
  personality: 135,
  acct: 163,
  swapon: 167,
  swapoff: 168,
  reboot: 169,
  iopl: 172,
  ioperm: 173,
  init_module: 175,
  delete_module: 176,
  quotactl: 179,
  kexec_load: 246,
  finit_module: 313,
  kexec_file_load: 320,
  quotactl_fd: 443,
  // rarely used, often broken
  uselib: 134,
  vhangup: 153,
  modify_ldt: 154,
  fanotify_init: 300,
  fanotify_mark: 301,
  lookup_dcookie: 212,
  mbind: 237,
  set_mempolicy: 238,
  migrate_pages: 256,
  set_mempolicy_home_node: 450,
  vmsplice: 278,
  move_pages: 279,
  memfd_secret: 447,
  // memory that belongs to no process and so to no sum of processes: System V and POSIX queues
  shmget: 29,
  msgget: 68,
  semget: 64,
  mq_open: 240,
}
// Answered as by a kernel that has them not, which programs know what to do with: clone3's flags and the mode
// of openat2 lie in memory, where a filter cannot look; a memfd belongs to no process.
const ABSENT = { clone3: 435, memfd_create: 319, openat2: 437 }
// Takes disk without writing, which is what the watchdog counts; libc then writes.
const UNSUPPORTED = { fallocate: 285 }
const CLONE = 56
const SOCKET = 41
const SOCKETPAIR = 53
const IOCTL = 16
const PRCTL = 157

const AUDIT_ARCH_X86_64 = 0xc000003e
const X32_BIT = 0x40000000
const NEW_NAMESPACES = 0x7e020000 // CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
const PR_SET_PDEATHSIG = 1
// Input into a terminal, its selection, and its line discipline.
const [TIOCSTI, TIOCLINUX, TIOCSETD] = [0x5412, 0x541c, 0x5423]
const [AF_UNIX, AF_INET, AF_INET6] = [1, 2, 10]
// What SOCK_DGRAM and SOCK_RAW have and SOCK_STREAM and SOCK_SEQPACKET have not.
const DATAGRAM_BIT = 2
// A file with these bits in a folder of the host lends its owner's rights to whoever starts it there.
const SET_ID_BITS = 0o6000
const CREATING = 0o20000100 // O_CREAT, __O_TMPFILE
/** Calls that give a file its mode: at which argument. */
const MODE_OF = {
  chmod: [90, 1],
  fchmod: [91, 1],
  fchmodat: [268, 2],
  fchmodat2: [452, 2],
} as const
const MAKING = { creat: [85, 1], mknod: [133, 1], mknodat: [259, 2] } as const
/** Calls that do where their flags say so. */
const OPENING = { open: [2, 1], openat: [257, 2] } as const

const ALLOW = 0x7fff0000
const KILL = 0x80000000
const EPERM = 0x00050001
const ENOSYS = 0x00050026
const EOPNOTSUPP = 0x0005005f

const [LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x06]
const [NUMBER_AT, ARCH_AT] = [0, 4]
const [ARG0_AT, ARG1_AT] = [argumentAt(0), argumentAt(1)]

type Instruction = readonly [code: number, then: number, otherwise: number, value: number]

/** Every call that is refused whatever its arguments, by name: for the tests and for the docs. */
export const REFUSED_CALLS: Readonly<Record<string, number>> = {
  ...DENIED,
  ...ABSENT,
  ...UNSUPPORTED,
}

/** The filter of this machine's architecture; undefined where none was written. */
export function seccompFilter(architecture: string): Buffer | undefined {
  return architecture === 'x64' ? assemble(X64) : undefined
}

const X64: readonly Instruction[] = [
  [LOAD, 0, 0, ARCH_AT],
  [EQUAL, 1, 0, AUDIT_ARCH_X86_64],
  [RETURN, 0, 0, KILL],
  [LOAD, 0, 0, NUMBER_AT],
  [AT_LEAST, 0, 1, X32_BIT],
  [RETURN, 0, 0, KILL],
  ...answered(DENIED, EPERM),
  ...answered(ABSENT, ENOSYS),
  ...answered(UNSUPPORTED, EOPNOTSUPP),
  [EQUAL, 0, 4, CLONE],
  [LOAD, 0, 0, ARG0_AT],
  [ANY_BIT, 0, 1, NEW_NAMESPACES],
  [RETURN, 0, 0, EPERM],
  [LOAD, 0, 0, NUMBER_AT],
  [EQUAL, 0, 5, SOCKET],
  [LOAD, 0, 0, ARG0_AT],
  [EQUAL, 2, 0, AF_INET],
  [EQUAL, 1, 0, AF_INET6],
  [RETURN, 0, 0, EPERM],
  [LOAD, 0, 0, NUMBER_AT],
  // A pair of datagram sockets can be sent from to any path; other families' pairs load modules.
  [EQUAL, 0, 6, SOCKETPAIR],
  [LOAD, 0, 0, ARG0_AT],
  [EQUAL, 0, 2, AF_UNIX],
  [LOAD, 0, 0, ARG1_AT],
  [ANY_BIT, 0, 1, DATAGRAM_BIT],
  [RETURN, 0, 0, EPERM],
  [LOAD, 0, 0, NUMBER_AT],
  ...Object.values({ ...MODE_OF, ...MAKING }).flatMap(([number, mode]): Instruction[] => [
    [EQUAL, 0, 4, number],
    [LOAD, 0, 0, argumentAt(mode)],
    [ANY_BIT, 0, 1, SET_ID_BITS],
    [RETURN, 0, 0, EPERM],
    [LOAD, 0, 0, NUMBER_AT],
  ]),
  ...Object.values(OPENING).flatMap(([number, flags]): Instruction[] => [
    [EQUAL, 0, 6, number],
    [LOAD, 0, 0, argumentAt(flags)],
    [ANY_BIT, 0, 3, CREATING],
    [LOAD, 0, 0, argumentAt(flags + 1)],
    [ANY_BIT, 0, 1, SET_ID_BITS],
    [RETURN, 0, 0, EPERM],
    [LOAD, 0, 0, NUMBER_AT],
  ]),
  [EQUAL, 0, 6, IOCTL],
  [LOAD, 0, 0, ARG1_AT],
  [EQUAL, 2, 0, TIOCSTI],
  [EQUAL, 1, 0, TIOCLINUX],
  [EQUAL, 0, 1, TIOCSETD],
  [RETURN, 0, 0, EPERM],
  [LOAD, 0, 0, NUMBER_AT],
  // The first process ends with its host, and stays so bound even if the program takes it over.
  [EQUAL, 0, 3, PRCTL],
  [LOAD, 0, 0, ARG0_AT],
  [EQUAL, 0, 1, PR_SET_PDEATHSIG],
  [RETURN, 0, 0, EPERM],
  [RETURN, 0, 0, ALLOW],
]

/** The low half of an argument: the kernel looks at no more of a mode, a flag or a request. */
function argumentAt(index: number): number {
  return 16 + 8 * index
}

function answered(calls: Readonly<Record<string, number>>, answer: number): Instruction[] {
  return Object.values(calls).flatMap((number): Instruction[] => [
    [EQUAL, 0, 1, number],
    [RETURN, 0, 0, answer],
  ])
}

/** struct sock_filter { u16 code; u8 jt; u8 jf; u32 k }, little endian. */
function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8)
  for (const [i, [code, then, otherwise, value]] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8)
    bytes.writeUInt8(then, i * 8 + 2)
    bytes.writeUInt8(otherwise, i * 8 + 3)
    bytes.writeUInt32LE(value, i * 8 + 4)
  }
  return bytes
}
