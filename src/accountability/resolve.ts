/**
 * Who answers for an agent at an instant: call `resolve`.
 *
 * The agent's owner answers, else its archetype's. A person answers while active, and else their
 * manager, upward. A group answers by whoever has the duty: an override, else the rotation's turn, else
 * the next in turn who is active and still a member; and else the group's own owner.
 *
 * INVARIANT (one accountable person): every answer is one active person. Nobody is an answer too, and
 * then the agent is suspended (`suspend-unowned.ts`).
 */

import type { Accountable, Subject } from '../audit/entry.ts'
import { must, ok, refuse, type Result } from '../base/result.ts'
import type { AgentId } from '../identity/agent.ts'
import { archetypeSubject } from '../identity/agent.ts'
import { findAgent } from '../identity/agent-store.ts'
import { findPerson, groupsOf } from '../people/people-store.ts'
import type { GroupId, Person, PersonId } from '../people/person.ts'
import type { Tx } from '../store/store.ts'
import { findRotation, overridesAt, ownerOf } from './accountability-store.ts'
import type { Owned, Owner } from './owner.ts'
import { parseRotation, rotationAt } from './rotation.ts'

/** Who answers, and every subject whose change could change that. */
export interface Resolved {
  readonly accountable: Accountable
  readonly relied: readonly Subject[]
}

/** Nobody answers; `relied` is what would have to change. */
export interface NobodyAccountable {
  readonly reason: 'nobody_accountable'
  readonly relied: readonly Subject[]
}

type Path = Accountable['path']

/** The longest path that an entry takes. Longer chains answer to nobody. */
const LONGEST_PATH = 20

/** Who answers for `owned` at `instant` (or milliseconds since the epoch). The path ends in that person. */
export async function resolve(
  tx: Tx,
  owned: Owned,
  instant: Temporal.Instant | number,
): Promise<Result<Resolved, NobodyAccountable>> {
  const at = typeof instant === 'number' ? Temporal.Instant.fromEpochMilliseconds(instant) : instant
  const walk = new Walk(tx, at)
  const accountable = await walk.from(owned, [])
  const relied = [...walk.relied]
  return accountable === undefined
    ? refuse({ reason: 'nobody_accountable', relied })
    : ok({ accountable, relied })
}

/** One search. No subject is entered twice, so circles end and the cost is linear. */
class Walk {
  readonly #tx: Tx
  readonly #instant: Temporal.Instant
  readonly #entered = new Set<Subject>()
  readonly relied = new Set<Subject>()

  constructor(tx: Tx, instant: Temporal.Instant) {
    this.#tx = tx
    this.#instant = instant
  }

  async from(subject: Owned | Owner | undefined, path: Path): Promise<Accountable | undefined> {
    if (subject === undefined || this.#entered.has(subject)) return undefined
    if (path.length >= LONGEST_PATH) return undefined
    this.#entered.add(subject)
    this.relied.add(subject)
    if (subject.startsWith('agt_')) return await this.#agent(subject as AgentId, path)
    if (subject.startsWith('grp_')) return await this.#group(subject as GroupId, path)
    if (subject.startsWith('per_')) return await this.#person(subject as PersonId, path)
    const next: Path = [...path, { via: 'archetype', subject }]
    return await this.from(await ownerOf(this.#tx, subject as Owned), next)
  }

  async #agent(id: AgentId, path: Path): Promise<Accountable | undefined> {
    const agent = await findAgent(this.#tx, id)
    if (agent === undefined) return undefined
    const next: Path = [...path, { via: 'agent', subject: id }]
    return (
      (await this.from(await ownerOf(this.#tx, id), next)) ??
      (await this.from(archetypeSubject(agent.archetype), next))
    )
  }

  async #person(id: PersonId, path: Path): Promise<Accountable | undefined> {
    const person = await findPerson(this.#tx, id)
    if (person === undefined) return undefined
    const above = path.at(-1)?.via
    const via = above === 'person' || above === 'manager' ? 'manager' : 'person'
    const next: Path = [...path, { via, subject: id }]
    return person.active ? answer(person, next) : await this.from(person.manager, next)
  }

  async #group(id: GroupId, path: Path): Promise<Accountable | undefined> {
    const next: Path = [...path, { via: 'rotation', subject: id }]
    if (next.length < LONGEST_PATH) {
      for (const candidate of await this.#onDuty(id)) {
        this.relied.add(candidate)
        const person = await findPerson(this.#tx, candidate)
        if (person?.active !== true) continue
        if (!(await groupsOf(this.#tx, candidate)).includes(id)) continue
        return answer(person, [...next, { via: 'person', subject: candidate }])
      }
    }
    return await this.from(await ownerOf(this.#tx, id), next)
  }

  /** Everybody who could have the duty now, in the order in which they are asked. */
  async #onDuty(group: GroupId): Promise<ReadonlySet<PersonId>> {
    const overriding = await overridesAt(
      this.#tx,
      group,
      Math.floor(this.#instant.epochMilliseconds / 1000),
    )
    const terms = await findRotation(this.#tx, group)
    if (terms === undefined) return new Set(overriding)
    const rotation = must(parseRotation(terms))
    const { index } = rotationAt(rotation, this.#instant)
    const { members } = rotation
    return new Set([...overriding, ...members.slice(index), ...members.slice(0, index)])
  }
}

function answer(person: Person, path: Path): Accountable {
  return { person: person.id, name: person.name, path }
}
