/** The paths of the host that a program may see: absolute, existing, none of the host's own. */

import { lstat, readdir, realpath } from 'node:fs/promises'
import { isAbsolute, join, normalize, relative } from 'node:path'
import { ok, refuse, type Result } from '../base/result.ts'

/** One path that is shown to a program, under the name it was asked for and as it really is. */
export interface Mount {
  readonly named: string
  readonly real: string
  readonly writable: boolean
}

/** Why a path is not shown. */
export interface MountRefusal {
  readonly reason: 'mount_refused' | 'link_leaves_mount'
  readonly message: string
}

// Showing these would show processes, devices or everything.
const NEVER = ['/proc', '/sys', '/dev']
const MAX_ENTRIES = 100_000

/** The mounts of a specification; the working folder must lie in one of them. */
export async function mountsOf(
  spec: {
    readonly readOnly: readonly string[]
    readonly readWrite: readonly string[]
    readonly cwd?: string
  },
  env: { readonly protectedPaths?: readonly string[] },
): Promise<Result<readonly Mount[], MountRefusal>> {
  const secret = await Promise.all((env.protectedPaths ?? []).map(realOrSame))
  const mounts: Mount[] = []
  const asked = [
    ...spec.readOnly.map((path) => ({ path, writable: false })),
    ...spec.readWrite.map((path) => ({ path, writable: true })),
  ]
  for (const { path, writable } of asked) {
    const named = normalize(path)
    // `*` is a wildcard to Node's permission model, and `,` separated paths in older versions of it.
    if (!isAbsolute(path) || /[*,\0]/.test(path))
      return refused(path, 'expected a plain absolute path')
    const real = await realpath(named).catch(() => undefined)
    if (real === undefined) return refused(path, 'expected an existing path')
    // Who may write in one sandbox could otherwise lead the mount of another away: to a home, say.
    if (named !== real && !(await ledByRootAlone(named))) {
      return refused(path, `expected no link but the system's own in it; it leads to \`${real}\``)
    }
    if (real === '/' || NEVER.some((host) => within(real, host))) {
      return refused(path, 'expected no path of the host itself')
    }
    if (secret.some((kept) => within(real, kept) || within(kept, real))) {
      return refused(path, 'expected a path apart from our own keys and data')
    }
    mounts.push({ named, real, writable })
  }
  const led = mounts.find((mount) =>
    mounts.some((outer) => outer.writable && ledAway(mount, outer)),
  )
  if (led !== undefined) return refused(led.named, 'expected no link in what a program may write')
  if (spec.cwd !== undefined && !mounts.some((m) => within(normalize(spec.cwd ?? ''), m.named))) {
    return refused(spec.cwd, 'expected a working folder in a mount')
  }
  return ok(mounts)
}

/** Whether `mount` lies in `outer` by name and elsewhere in truth: a program that ran before led it there. */
function ledAway(mount: Mount, outer: Mount): boolean {
  return (
    mount !== outer &&
    within(mount.named, outer.named) &&
    mount.real !== join(outer.real, relative(outer.named, mount.named))
  )
}

/** Whether every link on the way to `path` is root's, in a folder where nobody else could have put it. */
async function ledByRootAlone(path: string): Promise<boolean> {
  let at = '/'
  for (const part of path.split('/').filter(Boolean)) {
    const folder = await lstat(at).catch(() => undefined)
    at = join(at, part)
    const found = await lstat(at).catch(() => undefined)
    if (folder === undefined || found === undefined) return false
    if (!found.isSymbolicLink()) continue
    const isSafe = folder.uid === 0 && ((folder.mode & 0o022) === 0 || (folder.mode & 0o1000) !== 0)
    if (found.uid !== 0 || !isSafe) return false
    at = await realpath(at).catch(() => '/nowhere')
  }
  return true
}

/** Whether `path` is `folder` or lies below it. Both are absolute and normal. */
export function within(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way))
}

/**
 * Refuses mounts in which a symbolic link leads outside all of them: a program whose tier checks names
 * (not a mount namespace) would follow it. Nothing is said of links that others put there later.
 */
export async function confined(mounts: readonly Mount[]): Promise<Result<undefined, MountRefusal>> {
  let left = MAX_ENTRIES
  for (const mount of mounts) {
    const entries = await readdir(mount.real, { recursive: true, withFileTypes: true }).catch(
      ({ code }: NodeJS.ErrnoException) => (code === 'ENOTDIR' ? [] : undefined),
    )
    if (entries === undefined) return refused(mount.named, 'expected folders that can be read')
    left -= entries.length
    if (left < 0) return refused(mount.named, `expected at most ${MAX_ENTRIES} files in all mounts`)
    for (const entry of entries) {
      if (!entry.isSymbolicLink()) continue
      const path = join(entry.parentPath, entry.name)
      const target = await realpath(path).catch(() => undefined)
      if (target !== undefined && !mounts.some((m) => within(target, m.real))) {
        return refuse({
          reason: 'link_leaves_mount',
          message: `\`${path}\` leads out of the mounts`,
        })
      }
    }
  }
  return ok(undefined)
}

async function realOrSame(path: string): Promise<string> {
  return await realpath(path).catch(() => normalize(path))
}

function refused(path: string, expected: string): Result<never, MountRefusal> {
  return refuse({ reason: 'mount_refused', message: `\`${path}\`: ${expected}` })
}
