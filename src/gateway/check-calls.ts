/**
 * What the log must say of calls, over the whole database. Tests call `checkCalls` after every step that
 * changes something.
 *
 * It tells the log again from its first entry and keeps what every subject was at each index: so an
 * intended call is held against the authority that stood at that very place, whatever any cache,
 * snapshot or clock said when it was decided.
 */

import { sql } from 'kysely'
import { decodeEntry, type Entry, type EntryOf } from '../audit/entry.ts'
import type { Store } from '../store/store.ts'

/**
 * Throws, naming the entry, unless every intended call, and everything else that lends authority, stood on a
 * delegation in force, in its stage, of an active person, by active agents, at a reviewed server and
 * definition, under the policies then in force; and every call was intended once.
 */
export async function checkCalls(store: Store): Promise<void> {
  const { rows } = await sql<{ index: number; entry: Buffer }>`
    select index, entry from log_entry order by index`.execute(store.db)
  const world = new World()
  for (const { index, entry } of rows) {
    const told = decodeEntry(entry)
    const broken = world.judge(told)
    if (broken !== undefined) throw new Error(`entry ${index} (${told.kind}): expected ${broken}`)
    world.tell(told)
  }
}

interface KnownDelegation {
  readonly person: string
  readonly parent?: string
  readonly expiresAt: number
  agent?: string | undefined
  /** People whose words directed a turn of its conversation. */
  readonly directing: Set<string>
  stage: string | null
  state: 'active' | 'suspended' | 'completed' | 'revoked'
}

interface KnownServer {
  state: 'registered' | 'reviewed' | 'quarantined' | 'withdrawn'
  definitions: ReadonlySet<string>
}

type PolicyVersions = EntryOf<'policy_activated'>['sets']

/** Everything that authority hangs on, as the log has told it so far. */
class World {
  readonly #delegations = new Map<string, KnownDelegation>()
  readonly #inactive = new Set<string>()
  readonly #servers = new Map<string, KnownServer>()
  readonly #revokedTokens = new Set<string>()
  readonly #calls = new Set<string>()
  #policies: PolicyVersions = {}

  /** What an entry that lends authority lacks; undefined if nothing. */
  judge(entry: Entry): string | undefined {
    switch (entry.kind) {
      case 'call_intended':
        return this.#judgeCall(entry)
      case 'token_issued':
        return this.#unstanding(entry.delegation) ?? this.#inactiveAmong([entry.agent])
      case 'delegation_created':
        return entry.parent === undefined
          ? this.#inactiveAmong([entry.person])
          : this.#unstanding(entry.parent)
      case 'approval_requested':
        return this.#unstanding(entry.delegation)
      case 'approval_decided':
        return entry.decision === 'approved' ? this.#unstanding(entry.delegation) : undefined
      default:
        return undefined
    }
  }

  #judgeCall(entry: EntryOf<'call_intended'>): string | undefined {
    if (this.#calls.has(entry.call)) return `\`${entry.call}\` to be intended once`
    const branch = this.#branchOf(entry.delegation)
    const agents = branch.map(({ agent }) => agent)
    if (agents.join() !== entry.agents.join()) return `the agents \`${agents.join()}\``
    if (branch[0]?.person !== entry.person) return 'the person who delegated'
    const stage = branch.at(-1)?.stage ?? null
    if (entry.stage !== stage) return `the stage \`${stage}\`, got \`${entry.stage}\``
    if (branch.some(({ expiresAt }) => entry.expiresAt > expiresAt * 1_000)) {
      return 'it to expire with its delegation'
    }
    return (
      this.#unstanding(entry.delegation) ??
      this.#inactiveAmong(entry.agents) ??
      this.#unreviewed(entry) ??
      this.#undecided(entry) ??
      this.#ofRevokedToken(entry)
    )
  }

  #unstanding(delegation: string): string | undefined {
    const branch = this.#branchOf(delegation)
    if (branch.length === 0) return `\`${delegation}\` to exist`
    const ended = branch.find(({ state }) => state !== 'active')
    if (ended !== undefined) return `\`${delegation}\` to be in force, it was ${ended.state}`
    return this.#inactiveAmong(branch.map(({ person }) => person))
  }

  #inactiveAmong(subjects: readonly string[]): string | undefined {
    const inactive = subjects.find((subject) => this.#inactive.has(subject))
    return inactive === undefined ? undefined : `\`${inactive}\` to be active`
  }

  /** INVARIANT (pinned definitions). */
  #unreviewed({ server, definition }: EntryOf<'call_intended'>): string | undefined {
    const known = this.#servers.get(server ?? '')
    if (known?.state !== 'reviewed') return `a reviewed server, it was ${known?.state}`
    return known.definitions.has(definition ?? '') ? undefined : 'a reviewed definition'
  }

  /** INVARIANT (three constraints): a permit of each, under the policies in force here. */
  #undecided(entry: EntryOf<'call_intended'>): string | undefined {
    const { verdicts, agents, person, delegation } = entry
    const others = this.#branchOf(delegation).flatMap(({ directing }) => [...directing])
    const people = [person, ...others.filter((id) => id !== person).toSorted()]
    const wanted = [
      ...agents.map((id) => `agent ${id}`),
      ...new Set(people.map((id) => `person ${id}`)),
      'intent',
      'guardrail',
    ]
    const said = verdicts.map(({ constraint, subject }) =>
      constraint === 'agent' || constraint === 'person' ? `${constraint} ${subject}` : constraint,
    )
    if (said.join() !== wanted.join()) return `verdicts of ${wanted.join()}`
    if (verdicts.some(({ effect }) => effect !== 'permit')) return 'every constraint to permit'
    const outdated = verdicts.find(
      ({ constraint, version }) => this.#policies[constraint] !== version,
    )
    return outdated && `the policies in force for \`${outdated.constraint}\``
  }

  #ofRevokedToken({ relied }: EntryOf<'call_intended'>): string | undefined {
    const revoked = relied.find((subject) => this.#revokedTokens.has(subject))
    return revoked && `a token that was not revoked, got \`${revoked}\``
  }

  /** The delegation and what stands above it, root last. */
  #branchOf(id: string): KnownDelegation[] {
    const found = this.#delegations.get(id)
    if (found === undefined) return []
    return [found, ...(found.parent === undefined ? [] : this.#branchOf(found.parent))]
  }

  /** Learns what an entry changed. */
  tell(entry: Entry): void {
    switch (entry.kind) {
      case 'delegation_created': {
        const { delegation, person, parent, expiresAt, stage, delegate } = entry
        const { agent } = delegate
        const directing = new Set<string>()
        const known = { person, expiresAt, stage, agent, directing, state: 'active' } as const
        this.#delegations.set(delegation, parent === undefined ? known : { ...known, parent })
        return
      }
      case 'delegation_claimed':
        return this.#change(entry.delegation, { agent: entry.agent })
      case 'stage_moved':
        return this.#change(entry.delegation, { stage: entry.to })
      case 'delegation_suspended':
        return this.#change(entry.delegation, { state: 'suspended' })
      case 'delegation_resumed':
        return this.#change(entry.delegation, { state: 'active' })
      case 'delegation_completed':
        return this.#change(entry.delegation, { state: 'completed' })
      case 'delegation_revoked':
        return this.#change(entry.delegation, { state: 'revoked' })
      case 'conversation_turn':
      case 'conversation_answered': {
        const known = this.#delegations.get(entry.delegation)
        for (const who of entry.directing) if (who.startsWith('per_')) known?.directing.add(who)
        return
      }
      case 'person_deactivated':
        return void this.#inactive.add(entry.person)
      case 'person_reactivated':
        return void this.#inactive.delete(entry.person)
      case 'agent_suspended':
      case 'agent_ended':
        return void this.#inactive.add(entry.agent)
      case 'agent_resumed':
        return void this.#inactive.delete(entry.agent)
      case 'token_revoked':
        return void this.#revokedTokens.add(`jti:${entry.jti}`)
      case 'policy_activated':
        this.#policies = entry.sets
        return
      case 'server_reviewed': {
        const definitions = new Set(Object.values(entry.definitions))
        return void this.#servers.set(entry.server, { state: 'reviewed', definitions })
      }
      case 'server_quarantined':
      case 'server_withdrawn':
      case 'server_changed':
        return void this.#servers.set(entry.server, { state: 'quarantined', definitions: NONE })
      case 'call_intended':
        return void this.#calls.add(entry.call)
      default:
        return undefined
    }
  }

  #change(delegation: string, change: Partial<KnownDelegation>): void {
    const known = this.#delegations.get(delegation)
    if (known !== undefined) Object.assign(known, change)
  }
}

const NONE: ReadonlySet<string> = new Set()
