/**
 * Who belonged to which group, who answered for whom, and which key was an agent's, as the log alone
 * tells it: for `rules.ts`.
 *
 * Like states (`standing-authority.ts`) these lie in rows that nobody signs. Each call's entry says in
 * which groups the decision took people to be, and by which path somebody answers; each token's, for
 * which key it is. A row that was added beside the log shows there.
 */

import type { Accountable, Entry, EntryOf, Subject } from './entry.ts'

interface Override {
  readonly person: Subject
  /** Seconds. */
  readonly until: number
}

/** Follows every entry in order. What the log never told of (a log that was cut) is not judged. */
export class StandingPeople {
  /** The groups of each person whom the log saw come. */
  readonly #groups = new Map<Subject, Set<Subject>>()
  readonly #managers = new Map<Subject, Subject>()
  readonly #owners = new Map<Subject, Subject>()
  /** The archetype of each agent that the log saw come. */
  readonly #archetypes = new Map<Subject, Subject>()
  readonly #rotations = new Map<Subject, readonly Subject[]>()
  readonly #overrides = new Map<Subject, readonly Override[]>()
  /** The thumbprint of each agent's first key. */
  readonly #keys = new Map<Subject, string>()

  /** Learns what `entry` changes. */
  follow(entry: Entry): void {
    switch (entry.kind) {
      case 'person_created':
        this.#groups.set(entry.person, new Set())
        return
      case 'group_member_added':
        this.#groups.get(entry.person)?.add(entry.group)
        return
      case 'group_member_removed':
        this.#groups.get(entry.person)?.delete(entry.group)
        return
      case 'manager_assigned':
        assign(this.#managers, entry.person, entry.manager)
        return
      case 'owner_assigned':
        assign(this.#owners, entry.owned, entry.owner)
        return
      case 'agent_created':
        this.#archetypes.set(entry.agent, entry.archetype)
        return
      case 'rotation_set':
        assign(this.#rotations, entry.group, entry.rotation?.members ?? null)
        return
      case 'override_set': {
        const { group, person, until, time } = entry
        const set = (this.#overrides.get(group) ?? []).filter((each) => each.until * 1_000 > time)
        this.#overrides.set(group, [...set, { person, until }])
        return
      }
      case 'token_issued':
        if (entry.jkt !== undefined && !this.#keys.has(entry.agent))
          this.#keys.set(entry.agent, entry.jkt)
        return
      default:
        // What else an entry may say changes nothing of this.
        return
    }
  }

  /** A person whom a call took to be in other groups than the log says. */
  misplaced({ facts }: EntryOf<'call_intended'>): string | undefined {
    for (const { person, groups } of facts?.people ?? []) {
      const told = this.#groups.get(person)
      if (told === undefined) continue
      const beyond = groups.find((group) => !told.has(group))
      if (beyond !== undefined) return `expected \`${person}\` not to be in \`${beyond}\``
      const missing = [...told].find((group) => !groups.includes(group))
      if (missing !== undefined) return `expected \`${person}\` to be in \`${missing}\``
    }
    return undefined
  }

  /** A step of the path to who answers for a call that the log does not bear out. */
  unaccountable({ accountable, agents, time }: EntryOf<'call_intended'>): string | undefined {
    const [agent] = agents
    // A log that was cut at its beginning tells nothing of older agents.
    if (accountable === undefined || agent === undefined || !this.#archetypes.has(agent)) {
      return undefined
    }
    const { path, person } = accountable
    if (path[0]?.subject !== agent || path.at(-1)?.subject !== person) {
      return `expected a path from \`${agent}\` to \`${person}\``
    }
    for (const [at, step] of path.entries()) {
      const next = path[at + 1]
      if (next === undefined || this.#leads(step, next.subject, time)) continue
      return `expected \`${next.subject}\` not to answer for \`${step.subject}\``
    }
    return undefined
  }

  /** An agent that was given a token for another key than its first. */
  rekeyed({ agent, jkt }: EntryOf<'token_issued'>): string | undefined {
    const first = this.#keys.get(agent)
    if (jkt === undefined || first === undefined || first === jkt) return undefined
    return `expected \`${agent}\` to prove key \`${first}\`, got \`${jkt}\``
  }

  #leads(
    { via, subject }: Accountable['path'][number],
    next: Subject,
    timeMilliseconds: number,
  ): boolean {
    switch (via) {
      case 'agent':
        return this.#owners.get(subject) === next || this.#archetypes.get(subject) === next
      case 'archetype':
        return this.#owners.get(subject) === next
      case 'rotation':
        return this.#owners.get(subject) === next || this.#hasDuty(subject, next, timeMilliseconds)
      case 'person':
      case 'manager':
        return this.#managers.get(subject) === next
      default:
        return via satisfies never
    }
  }

  /** Whether the duty of a group could be a person's: by override or rotation, while a member. */
  #hasDuty(group: Subject, person: Subject, timeMilliseconds: number): boolean {
    const isMember = this.#groups.get(person)?.has(group) === true
    const overriding = (this.#overrides.get(group) ?? []).some(
      (each) => each.person === person && each.until * 1_000 > timeMilliseconds - GRACE,
    )
    return isMember && (overriding || this.#rotations.get(group)?.includes(person) === true)
  }
}

/** Who answers was read a little before the entry was made: milliseconds. */
const GRACE = 60_000

function assign<T>(to: Map<Subject, T>, subject: Subject, value: T | null): void {
  if (value === null) to.delete(subject)
  else to.set(subject, value)
}
