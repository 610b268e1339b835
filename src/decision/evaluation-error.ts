/**
 * Why the evaluation of a policy failed. Cedar skips a policy that errs; we deny (`decide.ts`).
 *
 * The errors are made once: a policy that errs on every call must not cost a stack trace each time.
 */

/** An expression met a value that it is not defined for. */
export class EvaluationError extends Error {}

/** An operator met a value of another type than it takes. */
export const typeError = new EvaluationError('type error')
/** An attribute, or the entity that should have it, is missing. */
export const missingAttribute = new EvaluationError('missing attribute')
/** Arithmetic left the 64 bits of a long. */
const overflow = new EvaluationError('integer overflow')

/** Whether a number fits a Cedar long. */
export function within64Bits(value: bigint): boolean {
  return value >= -(1n << 63n) && value < 1n << 63n
}

/** The value as a long; throws `overflow` outside of 64 bits. */
export function long(value: bigint): bigint {
  if (within64Bits(value)) return value
  throw overflow
}
