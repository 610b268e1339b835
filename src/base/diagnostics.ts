/** What the operator reads: one JSON line per event, never a secret or personal datum. */

/** A sink for operational events. `event` is dotted lower case (`store.reconnected`). */
export interface Diagnostics {
  info(event: string, facts?: Facts): void
  warn(event: string, facts?: Facts): void
  /** A fault that somebody must look at. */
  error(event: string, cause: unknown, facts?: Facts): void
}

/** Values that are safe to print. */
export type Facts = Readonly<Record<string, string | number | boolean | null | undefined>>

/** Writes JSON lines to `write`, one per event. */
export function jsonDiagnostics(write: (line: string) => void, now: () => number): Diagnostics {
  const line = (level: string, event: string, facts?: Facts): void =>
    write(`${JSON.stringify({ time: now(), level, event, ...facts })}\n`)
  return {
    info: (event, facts) => line('info', event, facts),
    warn: (event, facts) => line('warn', event, facts),
    error: (event, cause, facts) => line('error', event, { ...facts, error: describe(cause) }),
  }
}

/** Says nothing. For tests and for tools whose output is the product. */
export const silentDiagnostics: Diagnostics = { info: ignore, warn: ignore, error: ignore }

function ignore(): void {}

/** The chain of messages behind an error, outermost first. */
function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause === undefined ? cause.message : `${cause.message}: ${describe(cause.cause)}`
}
