/**
 * Limits that a token would state and nobody would count.
 *
 * Counters belong to delegations: a call is debited from its delegation and all above it. A token lives five
 * minutes and has none, so a smaller limit that is asked for at the exchange could only be believed. It is
 * refused; an agent that wants to hand on less hands on a sub-delegation, which counts. `until` is no
 * counter: it is compared with the clock at each call, and may be as early as anybody likes.
 */

import type { McpCallDetail } from '../delegation/intent.ts'
import { limitsOf } from '../delegation/limits.ts'

/** Whether `asked` states a limit that the delegation's own details do not all state for the same action. */
export function statesUncounted(
  asked: readonly McpCallDetail[],
  own: readonly McpCallDetail[],
): boolean {
  return asked.some((detail) =>
    detail.actions.some((action) => {
      const counting = own.filter(
        ({ actions, locations }) =>
          actions.includes(action) && locations.some((one) => detail.locations.includes(one)),
      )
      return limitsOf(detail, action).some(
        ({ counter, most }) => !counting.every((one) => isCounted(one, action, { counter, most })),
      )
    }),
  )
}

function isCounted(
  own: McpCallDetail,
  action: string,
  stated: { readonly counter: string; readonly most: number },
): boolean {
  return limitsOf(own, action).some(
    ({ counter, most }) => counter === stated.counter && most === stated.most,
  )
}
