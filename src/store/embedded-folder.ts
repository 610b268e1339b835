/**
 * What the embedded Postgres keeps on disk: the data directory, the socket's folder, the pid file.
 */

import { execFile } from 'node:child_process'
import {
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getuid, kill, pid as ourPid, platform } from 'node:process'
import { promisify } from 'node:util'
import { digestOf } from '../base/bytes.ts'
import { asOrdinaryUser, type PostgresBinaries } from './embedded-binaries.ts'

const run = promisify(execFile)

const UNFINISHED = 'initdb-'

/**
 * The data directory in `folder`, made by initdb if it is missing. It is made under another name and
 * renamed when complete, so one that exists is whole, and of two processes the slower one discards
 * its own.
 */
export async function makeCluster(folder: string, binaries: PostgresBinaries): Promise<string> {
  const data = join(await realpath(folder), 'data')
  await removeUnfinished(folder)
  if (await isThere(join(data, 'PG_VERSION'))) return data
  const made = await mkdtemp(join(folder, `${UNFINISHED}${ourPid}-`))
  const options = ['-D', made, '-U', 'behalf', '--auth=trust', '--encoding=UTF8', '--locale=C']
  const [command, ...args] = asOrdinaryUser([binaries.initdb, ...options])
  try {
    await run(command, args, { env: binaries.environment, cwd: folder })
    await rename(made, data)
  } catch (cause) {
    await rm(made, { recursive: true, force: true })
    if (await isThere(join(data, 'PG_VERSION'))) return data
    throw new Error(`embedded postgres: cannot make a database in \`${data}\`: ${said(cause)}`, {
      cause,
    })
  }
  await syncFolder(folder)
  return data
}

/** What interrupted runs of initdb left, but not what another process is making right now. */
async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(UNFINISHED)) continue
    if (!isAlive(Number.parseInt(name.slice(UNFINISHED.length), 10))) {
      await rm(join(folder, name), { recursive: true, force: true })
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined
}

function said(cause: unknown): string {
  const error = cause as { stderr?: string; message?: string; code?: unknown }
  if (error.code === 'ENOENT') return 'running as root needs `unshare` (util-linux)'
  return (error.stderr ?? '').trim() || (error.message ?? String(cause))
}

/** Makes the rename itself durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The shortest of the platforms' limits: `sun_path` has 104 bytes on macOS, 108 on Linux, one for NUL. */
const LONGEST_SOCKET_PATH = 103

/**
 * The folder of the socket: in `folder`, or if that path is too long for a socket a short one in the
 * system's temporary folder. Only this user can enter it, which is all the authentication there is.
 */
export async function socketFolder(folder: string): Promise<string> {
  const near = join(await realpath(folder), 'socket')
  const path = fits(near) ? near : join(tmpdir(), `behalf-${digestOf(near).slice(7, 23)}`)
  if (!fits(path)) throw new Error(`expected a temporary folder with a short path, got \`${path}\``)
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const found = await lstat(path)
  // Somebody else could have made it first, in a folder that everybody can write to.
  if (
    !found.isDirectory() ||
    found.uid !== (getuid?.() ?? found.uid) ||
    (found.mode & 0o077) !== 0
  ) {
    throw new Error(`expected \`${path}\` to be a folder of this user with mode 0700`)
  }
  return path
}

function fits(path: string): boolean {
  return Buffer.byteLength(join(path, '.s.PGSQL.5432')) <= LONGEST_SOCKET_PATH
}

/** The process that serves `data`, or undefined: a pid file may name a process that is long gone, or by now another's. */
export async function postmasterOf(data: string): Promise<number | undefined> {
  const pid = Number.parseInt((await readPid(data)) ?? '', 10)
  return isAlive(pid) && (await serves(pid, data)) ? pid : undefined
}

/**
 * Removes a pid file that postgres itself would stumble over: one that names a living process which is
 * no postgres, or an empty one. Another start may write its own at this moment, so what is removed is
 * what was looked at: it is taken away by renaming, and put back if it turns out to be another.
 */
export async function removeStalePid(data: string): Promise<void> {
  const stale = await readPid(data)
  if (stale === undefined || (await postmasterOf(data)) !== undefined) return
  const file = join(data, 'postmaster.pid')
  const taken = `${file}.${ourPid}`
  try {
    await rename(file, taken)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if ((await readFile(taken, 'utf8')) === stale) await rm(taken)
  else await rename(taken, file)
}

/** Whether a process serves `data` and says that it is ready: asking earlier only fills its log. */
export async function isReady(data: string): Promise<boolean> {
  if ((await postmasterOf(data)) === undefined) return false
  // The eighth line of the pid file (Postgres' LOCK_FILE_LINE_PM_STATUS), padded with blanks.
  return (await readPid(data))?.split('\n')[7]?.trim() === 'ready'
}

async function readPid(data: string): Promise<string | undefined> {
  return await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => undefined)
}

/** A postmaster's working directory is its data directory. */
async function serves(pid: number, data: string): Promise<boolean> {
  if (platform === 'linux') {
    return (await readlink(`/proc/${pid}/cwd`).catch(() => '')) === data
  }
  const { stdout } = await run('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }))
  return stdout.includes(data)
}

function isAlive(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && signalProcess(pid, 0)
}

/** Whether the process was there to receive `signal` (0 only asks). */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return kill(pid, signal)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
