/**
 * The agency dial: how much agents of a kind decide without asking, for each class of tool.
 *
 * Call `setAgency`; whoever answers for the archetype turns it, and nobody else. `agencyOf` answers for an
 * act chain: the most careful of its agents counts. Policy reads the answer (`context.agency`); the dial
 * lifts no deny and no approval that an intent asks for.
 */

import { resolve } from '../accountability/resolve.ts'
import { append } from '../audit/append.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { archetypeSubject } from '../identity/agent.ts'
import { personActor, type Session } from '../people/session.ts'
import type { ToolClass } from '../registry/server.ts'
import type { Store, Tx } from '../store/store.ts'

/**
 * Positions of the dial, from the most careful: asks at every consequential call, at doubt about any value
 * (amounts too), at doubt about where a call reaches, or never within what the intent says.
 */
export const AGENCIES = ['always', 'strict', 'doubt', 'never'] as const
/** @see AGENCIES */
export type Agency = (typeof AGENCIES)[number]

/** Classes of tools that have a dial. */
export const DIAL_CLASSES = ['read', 'write', 'egress', 'destructive', 'money'] as const

/** What was set, by class; a class that is absent was never set. */
export type Dial = Partial<Readonly<Record<ToolClass, Agency>>>

type AgencyTables = {
  agency: { archetype: string; class: ToolClass; agency: Agency }
}

/** Turns the dial of an archetype for one class of tools. */
export async function setAgency(
  request: { readonly archetype: string; readonly toolClass: ToolClass; readonly agency: Agency },
  session: Session,
  env: { readonly store: Store; readonly clock: Clock },
): Promise<Result<Dial>> {
  const { archetype, toolClass, agency } = request
  const subject = archetypeSubject(archetype)
  return await env.store.transaction(async (tx) => {
    const time = env.clock.nowMilliseconds()
    const entitled = await answersFor(tx, archetype, session, time)
    if (!entitled.ok) return entitled
    await tx
      .withTables<AgencyTables>()
      .insertInto('agency')
      .values({ archetype, class: toolClass, agency })
      .onConflict((on) => on.columns(['archetype', 'class']).doUpdateSet({ agency }))
      .execute()
    const dial = await dialOf(tx, archetype)
    const by = personActor(session)
    const set = { archetype: subject, class: toolClass, agency }
    await append(tx, [{ v: 1, kind: 'agency_set', time, by, touches: [subject], ...set }])
    return ok(dial)
  })
}

/** Whether the person answers for a kind of agent now. */
export async function answersFor(
  tx: Tx,
  archetype: string,
  session: Session,
  nowMilliseconds: number,
): Promise<Result<undefined>> {
  const answers = await resolve(tx, archetypeSubject(archetype), nowMilliseconds)
  if (!answers.ok) return refuse({ reason: 'unknown_archetype' })
  if (answers.value.accountable.person === session.person) return ok()
  const message = 'expected whoever answers for this kind of agent'
  return refuse({ reason: 'not_entitled', message })
}

/** The dial of an archetype. */
export async function dialOf(tx: Tx, archetype: string): Promise<Dial> {
  const rows = await tx
    .withTables<AgencyTables>()
    .selectFrom('agency')
    .select(['class', 'agency'])
    .where('archetype', '=', archetype)
    .execute()
  return Object.fromEntries(rows.map((row) => [row.class, row.agency]))
}

/** The dial of several kinds of agents that act together: of each class the most careful. */
export async function agencyOf(tx: Tx, archetypes: readonly string[]): Promise<Dial> {
  const dials = []
  for (const archetype of new Set(archetypes)) dials.push(await dialOf(tx, archetype))
  return mostCareful(dials)
}

/** Of each class that any of them set, the most careful position; where one was never set, it is as usual. */
export function mostCareful(dials: readonly Dial[]): Dial {
  return Object.fromEntries(
    DIAL_CLASSES.flatMap((toolClass) => {
      if (dials.every((dial) => dial[toolClass] === undefined)) return []
      // An agent whose owner said nothing is not made less careful by whom it hands the work to.
      const positions = dials.map((dial) => dial[toolClass] ?? usualAgency(toolClass))
      const most = AGENCIES.find((agency) => positions.includes(agency))
      return most === undefined ? [] : [[toolClass, most]]
    }),
  )
}

/** The position of a class that nobody set. */
export function usualAgency(toolClass: ToolClass): Agency {
  return toolClass === 'write' ? 'never' : 'doubt'
}
