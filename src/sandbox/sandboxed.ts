/**
 * Runs other people's code where it can do little. Call `sandboxed`.
 *
 * Two tiers, and the report says which one ran; where neither can, nothing runs:
 * - **T1** bubblewrap with a seccomp filter: namespaces of its own, only the named mounts, an own empty
 *   network. Any executable. Linux on x64 with user namespaces; as uid 0 the uid is dropped first.
 * - **T0** Node's permission model: JavaScript only, for files, network, children and addons. It binds
 *   what JavaScript can ask Node for; it is no kernel boundary.
 *
 * Neither inherits an environment or a descriptor. Both are held to limits (`limits.ts`), by the kernel where
 * it lets us, else by a watchdog; the exit says which was reached and what was used. T0 has no network; T1
 * has one where `egress` or `doors` say so, through a proxy of ours.
 */

import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { jailed } from './bubblewrap.ts'
import type { Door } from './doors.ts'
import { egressProxy, PROXY_ENVIRONMENT } from './egress-proxy.ts'
import type { Destination, EgressRefusal, Way } from './egress.ts'
import { checkedEnvironment, type EnvironmentRefusal } from './environment.ts'
import { limitsOf, type Bounds, type LimitRefusal, type Limits } from './limits.ts'
import { mountsOf, type MountRefusal } from './mounts.ts'
import { permitted } from './permission-model.ts'
import { programOf, type ProgramRefusal } from './program.ts'
import { OUTPUT_FOLDER } from './output.ts'
import type { Exit, Totals, Usage } from './report.ts'
import { supervised, type Order } from './supervise.ts'
import type { CheckedTar } from './tar.ts'
import type { TerminalSize } from './terminal.ts'

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
  readonly limits: Limits
  /** Where it may connect to, through our proxy (T1 only). Nowhere by default. */
  readonly egress?: readonly Destination[]
  /** What of ours answers on its loopback (T1 only). */
  readonly doors?: readonly Door[]
  /** Its standard streams are a terminal of its own (T1 only); then its two outputs are one. */
  readonly terminal?: TerminalSize
  /** What it leaves in `/output` comes out as a tar (T1 only). The folder is a second scratch, of the same size. */
  readonly output?: boolean
  /** Whose program it is: started as root, the same label is the same user, and another one another. */
  readonly label?: string
  /** `best` (default): T1 where it works, else T0. A named tier runs there or not at all. */
  readonly tier?: Tier | 'best'
}

/** What the sandbox needs to know of the machine. */
export interface SandboxEnv extends Way {
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
  /** What it hands out, safe to unpack; fails where it is not whole. Where it was asked for, read it. */
  readonly output?: CheckedTar
  /** Settles when the program has ended; never rejects. */
  readonly exit: Promise<Exit>
  readonly tier: Tier
  /** Why it is not T1, where `best` was asked for. */
  readonly fellBack?: string
  /** What holds it, outermost first. */
  readonly layers: readonly string[]
  /** Who holds its totals. */
  readonly totals: Totals
  /** What it used so far. */
  stats(): Usage
  /** Gives its terminal another size, where it has one. */
  resize(size: TerminalSize): void
  /** Kills the program and what it started, at once. */
  kill(): void
}

/** Why nothing was run. */
export type SandboxRefusal =
  | LimitRefusal
  | EgressRefusal
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
  const bounds = limitsOf(spec.limits)
  if (!bounds.ok) return bounds
  const program = await programOf(spec, env)
  if (!program.ok) return program
  const environment = checkedEnvironment(spec.environment)
  if (!environment.ok) return environment
  const mounts = await mountsOf(spec, env)
  if (!mounts.ok) return mounts
  const egress = spec.egress === undefined ? undefined : egressProxy(spec.egress, env)
  if (egress?.ok === false) return egress
  const proxy = egress?.value
  const doors = [...(spec.doors ?? []), ...(proxy === undefined ? [] : [proxy.door])]
  const plan = { spec, bounds: bounds.value, program: program.value, mounts: mounts.value, doors }
  const common = {
    doors,
    bounds: bounds.value,
    folders: mounts.value.filter((mount) => mount.writable).map((mount) => mount.real),
    inMemory: ['/tmp', ...(spec.output === true ? [OUTPUT_FOLDER] : [])],
    isScratchSized: true,
    hasTerminal: spec.terminal !== undefined,
    environment: { ...spec.environment, ...(proxy === undefined ? {} : PROXY_ENVIRONMENT) },
    ...(proxy !== undefined && { traffic: proxy }),
  }

  let fellBack: string | undefined
  if (spec.tier !== 'T0') {
    const usable = await jailed(plan, env)
    if (usable.ok) return ok(await supervised({ ...common, launch: usable.value }, env.clock))
    if (spec.tier === 'T1') return unavailable(usable.error.message)
    fellBack = usable.error.message
  }
  const why = fellBack === undefined ? '' : `; T1 is unavailable: ${fellBack}`
  if (doors.length > 0) return unavailable(`T0 has no way out${why}`)
  if (spec.terminal !== undefined) return unavailable(`T0 has no terminal${why}`)
  if (spec.output === true) return unavailable(`T0 hands nothing out${why}`)
  if (!program.value.javascript) {
    return refuse({ reason: 'not_javascript', message: `T0 runs JavaScript only${why}` })
  }
  const at = await permitted(plan, env)
  if (!at.ok) return at
  const { launch, scratch, isScratchSized } = at.value
  const inner: Order = {
    ...common,
    launch,
    scratch,
    inMemory: [],
    isScratchSized,
    // Without a size of the kernel's, scratch is a folder like the mounts, and counted with them.
    ...(!isScratchSized && {
      folders: [...common.folders, scratch],
      bounds: withScratch(bounds.value, common.folders),
    }),
    environment: { TMPDIR: scratch, ...common.environment },
    ...(fellBack !== undefined && { fellBack }),
  }
  return ok(await supervised(inner, env.clock))
}

/** Where `sandboxed` would run a program of the best tier now: asked without running it. Undefined if nowhere. */
export async function bestTierFor(
  spec: Omit<SandboxSpec, 'tier' | 'egress' | 'doors' | 'terminal' | 'output'>,
  env: SandboxEnv,
): Promise<Tier | undefined> {
  const bounds = limitsOf(spec.limits)
  const program = await programOf(spec, env)
  const mounts = await mountsOf(spec, env)
  if (!bounds.ok || !program.ok || !mounts.ok) return undefined
  const found = { bounds: bounds.value, program: program.value, mounts: mounts.value }
  if ((await jailed({ spec, ...found, doors: [] }, env)).ok) return 'T1'
  return program.value.javascript ? 'T0' : undefined
}

function withScratch(bounds: Bounds, mounts: readonly string[]): Bounds {
  const { scratchBytes, diskBytes } = bounds
  return { ...bounds, diskBytes: scratchBytes + (mounts.length > 0 ? diskBytes : 0) }
}

function unavailable(message: string): Result<never, SandboxRefusal> {
  return refuse({ reason: 'tier_unavailable', message })
}
