/** Keeps what enforcement points were told: recorded before it is said. */

import { append } from '../../audit/append.ts'
import type { Entry } from '../../audit/entry.ts'
import { personActor } from '../../people/session.ts'
import type { Installation } from '../installation.ts'
import type { Asker, Evaluation } from './evaluate.ts'
import type { Question } from './question.ts'

/** Records answers, each as an entry, all or none. */
export async function recordAnswers(
  answers: readonly { readonly question: Question; readonly evaluation: Evaluation }[],
  asker: Asker,
  env: Installation,
): Promise<void> {
  const by =
    asker.type === 'person'
      ? personActor(asker.session)
      : {
          type: 'agent' as const,
          agent: asker.caller.agents[0] ?? '',
          delegation: asker.caller.delegation,
          person: asker.caller.person,
        }
  const time = env.clock.nowMilliseconds()
  const entries = answers.map(({ question, evaluation }): Entry => {
    const { decision, context, recorded } = evaluation
    const { reason } = context ?? {}
    return {
      v: 1,
      kind: 'access_evaluated',
      time,
      by,
      // What strangers name may be personal: only what we know stands in the log.
      subjectType: question.subject.type.slice(0, 40),
      action: question.action.name.slice(0, 300),
      decision,
      ...recorded,
      ...(typeof reason === 'string' && { reason }),
    }
  })
  if (entries.length > 0) await env.store.transaction((tx) => append(tx, entries))
}
