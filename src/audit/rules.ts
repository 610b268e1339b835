/**
 * What entries must say of each other, so that an auditor needs no word of ours for it.
 *
 * Hand every entry in order to `EntryRules.check`. It keeps one number per subject that was ever
 * touched, what is open (calls without outcome, approvals that were not used), whose authority stands
 * (`standing-authority.ts`), who belongs where and answers for whom (`standing-people.ts`), and by which
 * templates something may have been proposed (`standing-templates.ts`).
 */

import type { Entry, EntryOf, Subject } from './entry.ts'
import { StandingAuthority } from './standing-authority.ts'
import { StandingPeople } from './standing-people.ts'
import { StandingTemplates } from './standing-templates.ts'

/** A rule that an entry breaks. */
export interface BrokenRule {
  readonly rule:
    | 'one_instant'
    | 'outcome_of_a_call'
    | 'approval_binding'
    | 'standing_authority'
    | 'group_membership'
    | 'accountable_person'
    | 'agent_key'
    | 'proposed_scope'
  readonly message: string
}

/**
 * Whether a subject changes once, to its end, as a token does that is revoked: nothing rests on it
 * afterwards, however late the facts beside it were read.
 */
export function endsForGood(subject: Subject): boolean {
  return subject.startsWith('jti:')
}

/** Checks the entries of a log, from the first on. */
export class EntryRules {
  /** The index of the last entry that touched a subject. */
  readonly #touched = new Map<Subject, number>()
  /** The call id of intended calls whose outcome is still to come, by index. */
  readonly #open = new Map<number, string>()
  readonly #requested = new Map<Subject, EntryOf<'approval_requested'>>()
  readonly #approved = new Set<Subject>()
  readonly #authority = new StandingAuthority()
  readonly #people = new StandingPeople()
  readonly #templates = new StandingTemplates()

  /** The first rule that `entry` breaks, given all that were checked before it. */
  check(index: number, entry: Entry): BrokenRule | undefined {
    const broken = this.#judge(index, entry)
    this.#authority.follow(index, entry)
    this.#people.follow(entry)
    this.#templates.follow(entry)
    for (const subject of entry.touches ?? []) this.#touched.set(subject, index)
    return broken
  }

  #judge(index: number, entry: Entry): BrokenRule | undefined {
    switch (entry.kind) {
      case 'call_intended':
        this.#open.set(index, entry.call)
        return (
          this.#staleFact(index, entry) ??
          this.#misusedApproval(entry) ??
          this.#unauthorized(entry) ??
          breaks('group_membership', this.#people.misplaced(entry)) ??
          breaks('accountable_person', this.#people.unaccountable(entry))
        )
      case 'token_issued':
        return this.#unauthorized(entry) ?? breaks('agent_key', this.#people.rekeyed(entry))
      case 'call_outcome':
        return this.#strayOutcome(entry)
      case 'template_removed':
        return breaks('proposed_scope', this.#templates.missing(entry))
      case 'delegation_created':
        return breaks('proposed_scope', this.#templates.misproposed(entry))
      case 'approval_requested':
        this.#requested.set(entry.approval, entry)
        return undefined
      case 'approval_decided':
        if (entry.decision === 'approved') this.#approved.add(entry.approval)
        return undefined
      case 'approval_voided':
        this.#close(entry.approval)
        return undefined
      default:
        return undefined
    }
  }

  /** INVARIANT (one instant): nothing in [readAt, index) touches what the call relied on. */
  #staleFact(index: number, entry: EntryOf<'call_intended'>): BrokenRule | undefined {
    if (entry.readAt > index) {
      const message = `expected facts read at ${index} or before, got ${entry.readAt}`
      return { rule: 'one_instant', message }
    }
    for (const subject of entry.relied) {
      const touched = this.#touched.get(subject)
      if (touched === undefined) continue
      if (touched < entry.readAt && !endsForGood(subject)) continue
      const message = `\`${subject}\` was read at ${entry.readAt} and touched by entry ${touched}`
      return { rule: 'one_instant', message }
    }
    return undefined
  }

  /** INVARIANT (approval binding): an approval is used once, by the call that was approved. */
  #misusedApproval(entry: EntryOf<'call_intended'>): BrokenRule | undefined {
    const { approval } = entry
    if (approval === undefined) return undefined
    const request = this.#requested.get(approval)
    if (request === undefined || !this.#approved.has(approval)) {
      const message = `expected \`${approval}\` to be approved and not used before`
      return { rule: 'approval_binding', message }
    }
    this.#close(approval)
    const differs = (
      ['delegation', 'server', 'action', 'definition', 'argumentsDigest'] as const
    ).find((member) => entry[member] !== request[member])
    if (differs === undefined) return undefined
    const message = `expected the \`${differs}\` for which \`${approval}\` was given, got another`
    return { rule: 'approval_binding', message }
  }

  /** INVARIANT (revocation): nobody acts by authority that the log shows as ended, or as another's. */
  #unauthorized(entry: EntryOf<'call_intended' | 'token_issued'>): BrokenRule | undefined {
    return breaks('standing_authority', this.#authority.fault(entry))
  }

  /** An outcome belongs to an intended call; only `unknown` may be followed by a better one. */
  #strayOutcome(entry: EntryOf<'call_outcome'>): BrokenRule | undefined {
    if (this.#open.get(entry.intended) !== entry.call) {
      const message = `expected entry ${entry.intended} to intend call \`${entry.call}\` and to be open`
      return { rule: 'outcome_of_a_call', message }
    }
    if (entry.outcome !== 'unknown') this.#open.delete(entry.intended)
    return undefined
  }

  #close(approval: Subject): void {
    this.#requested.delete(approval)
    this.#approved.delete(approval)
  }
}

function breaks(rule: BrokenRule['rule'], message: string | undefined): BrokenRule | undefined {
  return message === undefined ? undefined : { rule, message }
}
