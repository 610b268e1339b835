/**
 * Whose authority stood when, as the log alone tells it: for `rules.ts`.
 *
 * States lie in rows that nobody signs. A row that was put back beside the log (a delegation revived, a
 * stage moved, an agent let go on) authorizes calls, and the log then shows calls for which it shows no
 * authority. That is what is found here.
 */

import type { Entry, EntryOf, Subject } from './entry.ts'

/** What the log says of one delegation. */
interface Told {
  readonly parent: Subject | undefined
  readonly person: Subject
  /** Who may use it; undefined while it is for any agent of its archetype. */
  holder: Subject | undefined
  /** Only a root has one of its own. */
  stage: string | null
  /** People whose words directed a turn of its conversation. */
  readonly directing: Set<Subject>
}

/** An entry that acts by authority. */
type Acting = EntryOf<'call_intended' | 'token_issued'>

/** Follows every entry in order: one record per delegation, one number per subject that is stopped. */
export class StandingAuthority {
  readonly #delegations = new Map<Subject, Told>()
  /** What was stopped or ended, and by which entry. */
  readonly #stopped = new Map<Subject, number>()

  /** Learns what `entry` changes. */
  follow(index: number, entry: Entry): void {
    switch (entry.kind) {
      case 'delegation_created': {
        const { delegation, parent, person, delegate, stage } = entry
        const holder = delegate.agent
        const directing = new Set<Subject>()
        this.#delegations.set(delegation, { parent, person, holder, stage, directing })
        return
      }
      case 'delegation_claimed': {
        const told = this.#delegations.get(entry.delegation)
        if (told !== undefined) told.holder ??= entry.agent
        return
      }
      case 'stage_moved': {
        const told = this.#delegations.get(entry.delegation)
        if (told !== undefined) told.stage = entry.to
        return
      }
      case 'conversation_turn':
      case 'conversation_answered': {
        const told = this.#delegations.get(entry.delegation)
        for (const who of entry.directing) if (who.startsWith('per_')) told?.directing.add(who)
        return
      }
      case 'delegation_suspended':
      case 'delegation_completed':
      case 'delegation_revoked':
        this.#stopped.set(entry.delegation, index)
        return
      case 'delegation_resumed':
        this.#stopped.delete(entry.delegation)
        return
      case 'agent_suspended':
      case 'agent_ended':
        this.#stopped.set(entry.agent, index)
        return
      case 'agent_resumed':
        this.#stopped.delete(entry.agent)
        return
      case 'person_deactivated':
        this.#stopped.set(entry.person, index)
        return
      case 'person_reactivated':
        this.#stopped.delete(entry.person)
        return
      case 'server_quarantined':
      case 'server_withdrawn':
      case 'server_changed':
        this.#stopped.set(entry.server, index)
        return
      case 'server_reviewed':
        this.#stopped.delete(entry.server)
        return
      default:
        // What else an entry may say changes nobody's standing.
        return
    }
  }

  /** What the log does not bear out of an entry that acts by authority; undefined if it bears out all. */
  fault(entry: Acting): string | undefined {
    const branch = this.#branch(entry.delegation)
    const [told] = branch
    // A log that was cut at its beginning tells nothing of older delegations.
    if (told === undefined) return this.#firstStopped([entry.delegation, ...agentsOf(entry)])
    const person = entry.kind === 'call_intended' ? entry.person : told.person
    if (person !== told.person) return `expected it to be for \`${told.person}\`, got \`${person}\``
    // RFC 8693 §4.1: the chain is the branch's own; a token's entry names only who acts.
    const held = branch.map(({ holder }) => holder).slice(0, entry.kind === 'token_issued' ? 1 : 16)
    if (held.join() !== agentsOf(entry).join()) {
      return `expected agents \`${held.join()}\`, got \`${agentsOf(entry).join()}\``
    }
    const stage = branch.at(-1)?.stage ?? null
    if (entry.kind === 'call_intended' && entry.stage !== stage) {
      return `expected stage \`${stage}\`, got \`${entry.stage}\``
    }
    const unasked = this.#unasked(entry, branch)
    if (unasked !== undefined) return unasked
    const servers = 'server' in entry && entry.server !== undefined ? [entry.server] : []
    const names = this.#branchNames(entry.delegation)
    return this.#firstStopped([...names, person, ...agentsOf(entry), ...servers])
  }

  /** Whoever directed the agent has to be permitted the call as well. */
  #unasked(entry: Acting, branch: readonly Told[]): string | undefined {
    if (entry.kind !== 'call_intended') return undefined
    const permitted = entry.verdicts.flatMap(({ constraint, subject, effect }) =>
      constraint === 'person' && effect === 'permit' ? [subject] : [],
    )
    const directing = branch.flatMap((told) => [...told.directing])
    const missing = directing.find((person) => !permitted.includes(person))
    return missing && `expected a permit for \`${missing}\`, who directed the agent`
  }

  #firstStopped(subjects: readonly Subject[]): string | undefined {
    const stopped = subjects.find((subject) => this.#stopped.has(subject))
    return stopped && `\`${stopped}\` was stopped by entry ${this.#stopped.get(stopped)}`
  }

  /** The delegation and what stands above it, the root last; empty if the log does not tell of one of them. */
  #branch(delegation: Subject): Told[] {
    const names = this.#branchNames(delegation)
    const branch = names.flatMap((name) => this.#delegations.get(name) ?? [])
    return branch.length === names.length ? branch : []
  }

  #branchNames(delegation: Subject): Subject[] {
    const names: Subject[] = []
    let at: Subject | undefined = delegation
    // A parent was created before its children, so this ends; a forged circle ends here.
    while (at !== undefined && !names.includes(at)) {
      names.push(at)
      at = this.#delegations.get(at)?.parent
    }
    return names
  }
}

/** The agents that an entry names, the one that acts first. */
function agentsOf(entry: Acting): readonly Subject[] {
  return entry.kind === 'call_intended' ? entry.agents : [entry.agent]
}
