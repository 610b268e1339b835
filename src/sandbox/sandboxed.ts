/**
 * Runs other people's code where it can do little. Call `sandboxed`.
 *
 * Two tiers, and the report says which one ran; where neither can, nothing runs:
 * - **T1** bubblewrap with a seccomp filter: namespaces of its own, only the named mounts, an own empty
 *   network. Any executable. Linux on x64 with user namespaces; as uid 0 the uid is dropped first.
 * - **T0** Node's permission model: JavaScript only, for files, network, children and addons. It binds
 *   what JavaScript can ask Node for; it is no kernel boundary.
 *
 * No tier has a network, an inherited environment or an inherited descriptor. Neither limits CPU, nor
 * the memory of a whole process tree; a wall clock and the size of Node's heap are limited.
 */

import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { jailed } from './bubblewrap.ts'
import { checkedEnvironment, type EnvironmentRefusal } from './environment.ts'
import { killGroup, launched, type Launch } from './launch.ts'
import { mountsOf, type MountRefusal } from './mounts.ts'
import { permitted } from './permission-model.ts'
import { programOf, type ProgramRefusal } from './program.ts'

/** Where a program ran. */
export type Tier = 'T0' | 'T1'

/** A program, and all that it may see. Paths are absolute. */
export interface SandboxSpec {
  /** `node`, or the absolute path of a JavaScript file or (T1 only) of an executable. */
  readonly command: string
  readonly args: readonly string[]
  readonly readOnly: readonly string[]
  readonly readWrite: readonly string[]
  /** Must lie in a mount; `/` by default. */
  readonly cwd?: string
  /** The whole environment of the program. */
  readonly environment: Readonly<Record<string, string>>
  readonly limits: { readonly wallMilliseconds?: number; readonly heapMegabytes?: number }
  /** `best` (default): T1 where it works, else T0. A named tier runs there or not at all. */
  readonly tier?: Tier | 'best'
}

/** What the sandbox needs to know of the machine. */
export interface SandboxEnv {
  readonly clock: Clock
  /** Our own Node binary (`process.execPath`): what runs JavaScript. */
  readonly nodePath: string
  /** `/usr/bin/bwrap` by default. */
  readonly bubblewrapPath?: string
  /** Paths that no mount may contain or lie in: keys, database, sockets. */
  readonly protectedPaths?: readonly string[]
}

/** A running program. */
export interface Sandboxed {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /** Settles when the program has ended; never rejects. */
  readonly exit: Promise<Exit>
  readonly tier: Tier
  /** Why it is not T1, where `best` was asked for. */
  readonly fellBack?: string
  /** Kills the program and what it started, at once. */
  kill(): void
}

/** How a program ended: by itself with a code, or by a signal. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

/** Why nothing was run. */
export type SandboxRefusal =
  | MountRefusal
  | ProgramRefusal
  | EnvironmentRefusal
  | { readonly reason: 'not_javascript'; readonly message: string }
  | { readonly reason: 'tier_unavailable'; readonly message: string }

/** Starts the program of `spec` in the best tier that is allowed and works here. */
export async function sandboxed(
  spec: SandboxSpec,
  env: SandboxEnv,
): Promise<Result<Sandboxed, SandboxRefusal>> {
  const program = await programOf(spec, env)
  if (!program.ok) return program
  const environment = checkedEnvironment(spec.environment)
  if (!environment.ok) return environment
  const mounts = await mountsOf(spec, env)
  if (!mounts.ok) return mounts
  const plan = { spec, program: program.value, mounts: mounts.value }

  let fellBack: string | undefined
  if (spec.tier !== 'T0') {
    const usable = await jailed(plan, env)
    if (usable.ok) return ok(await start(usable.value, spec, env))
    if (spec.tier === 'T1')
      return refuse({ reason: 'tier_unavailable', message: usable.error.message })
    fellBack = usable.error.message
  }
  if (!program.value.javascript) {
    const why = fellBack === undefined ? '' : `; T1 is unavailable: ${fellBack}`
    return refuse({ reason: 'not_javascript', message: `T0 runs JavaScript only${why}` })
  }
  const at = await permitted(plan, env)
  return at.ok ? ok(await start(at.value, spec, env, fellBack)) : at
}

async function start(
  launch: Launch,
  spec: SandboxSpec,
  env: SandboxEnv,
  fellBack?: string,
): Promise<Sandboxed> {
  const { child, pid, stdin, stdout, stderr } = await launched(launch, spec.environment)
  const { promise: exit, resolve } = Promise.withResolvers<Exit>()
  const ended = new AbortController()
  child.once('exit', (code, signal) => {
    // What the program left behind in its group goes with it: no daemon survives it.
    killGroup(pid)
    ended.abort()
    resolve({ code, signal })
  })
  // Once the leader was reaped its number may be somebody else's.
  const kill = (): void => (ended.signal.aborted ? undefined : killGroup(pid))
  if (spec.limits.wallMilliseconds !== undefined) {
    void env.clock.sleep(spec.limits.wallMilliseconds, ended.signal).then(kill)
  }
  const fallback = fellBack === undefined ? {} : { fellBack }
  return { stdin, stdout, stderr, exit, tier: launch.tier, kill, ...fallback }
}
