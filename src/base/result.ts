/**
 * The two ends of every operation that can be refused.
 *
 * A *refusal* (the asker or the input is wrong) is a value of `Result`; a *fault* (disk, network, bug)
 * is thrown. `store/store.ts` rolls a transaction back when its work returns a refusal.
 */

/** A success carrying `value`, or a refusal whose `reason` callers branch on. */
export type Result<T, E extends Refusal = Refusal> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E }

/** Why something was refused: a stable snake_case `reason`, and facts for the record. */
export interface Refusal {
  readonly reason: string
  /** For people and logs: lower case, no full stop, what was expected and what was got, no secrets. */
  readonly message?: string
}

/** A success. */
export function ok(): Result<undefined, never>
export function ok<T>(value: T): Result<T, never>
export function ok<T>(value?: T): Result<T | undefined, never> {
  return { ok: true, value }
}

/** A refusal. */
export function refuse<const E extends Refusal>(error: E): Result<never, E> {
  return { ok: false, error }
}

/** The value of a result that cannot have been refused here; a refusal is a bug and is thrown. */
export function must<T>(result: Result<T>): T {
  if (result.ok) return result.value
  throw new Error(`unexpected refusal \`${result.error.reason}\`: ${result.error.message ?? ''}`)
}
