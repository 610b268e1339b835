/** What is said of a program that ran: how it ended, what it used, what it was denied. */

/** What ended it: its own end, `kill()`, or the limit that it reached. */
export type Ending =
  | 'itself'
  | 'killed'
  | 'wall_clock'
  | 'cpu'
  | 'memory'
  | 'processes'
  | 'disk'
  | 'output'

/** What a program and all that it started used so far. */
export interface Usage {
  readonly wallMilliseconds: number
  readonly cpuSeconds: number
  readonly peakMemoryBytes: number
  readonly peakProcesses: number
  /** Standard output and error. */
  readonly outputBytes: number
  /** By how much the read-write mounts had grown when they were measured last. */
  readonly diskBytes: number
  readonly egress: { readonly sentBytes: number; readonly receivedBytes: number }
  /** Who counted memory and time: the kernel exactly, we now and then, or nobody. */
  readonly measuredBy: Measure
}

/** The kernel's own totals, samples of the process tree, or nothing (no `/proc` here). */
export type Measure = 'cgroup' | 'watchdog' | 'none'

/** Who holds a total: the kernel, exactly; we, by looking now and then; or nobody (no `/proc` here). */
export type Holder = 'kernel' | 'watchdog' | 'nobody'

/** Who holds what of one program. */
export interface Totals {
  readonly memory: Holder
  readonly scratch: Holder
  /** What it may write of the host's. */
  readonly disk: Holder
}

/** Something that a program asked for and did not get. */
export interface Denied {
  readonly what: 'egress' | 'process' | 'memory' | 'disk'
  /** For egress `host:port` and why; where we ended it for a total, the limit and how far it really went. */
  readonly detail: string
  readonly times: number
}

/** How a program ended: by itself with a code, or by a signal. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
  readonly ended: Ending
  readonly used: Usage
  readonly denied: readonly Denied[]
}
