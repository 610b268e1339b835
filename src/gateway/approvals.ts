/** Approvals as the gateway uses them: asked for, found, consumed, voided, always for exactly one call. */

import type { Entry } from '../audit/entry.ts'
import { delegationTree, entriesOfDelegations } from '../audit/queries.ts'
import type { Vault } from '../audit/vault.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import type { Random } from '../base/random.ts'
import type { Binding } from '../approval/approval.ts'
import { requestApproval } from '../approval/approve.ts'
import { consume, findApproved, voidOthers } from '../approval/consume.ts'
import type { ApprovalFacts } from '../decision/facts.ts'
import { inWords } from '../channel/in-words.ts'
import { debit } from '../delegation/limits.ts'
import { rootOf } from '../delegation/standing.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Store, Tx } from '../store/store.ts'
import type { AskedCall, JudgedCall } from './judge.ts'

interface Env {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly vault: Vault
  readonly keyring: Keyring
  readonly issuer: string
}

/** How long a request waits for its answer, and the answer for its use. */
const LIFETIME_MILLISECONDS = 3_600_000

/** The gateway's side of approvals. */
export class Approvals {
  readonly #env: Env

  constructor(env: Env) {
    this.#env = env
  }

  /** The unused yes to exactly this call. */
  async found(asked: AskedCall): Promise<ApprovalFacts | undefined> {
    const binding = bindingOf(asked)
    if (binding === undefined) return undefined
    const approval = await this.#env.store.snapshot((tx) => findApproved(tx, binding))
    if (approval?.decidedBy === undefined) return undefined
    return { id: approval.id, by: approval.decidedBy, entitled: approval.entitled }
  }

  /**
   * Asks for a yes, and answers with the request's id. Nobody is asked about a call that its limits would
   * refuse afterwards.
   */
  async request(wanted: JudgedCall): Promise<Result<string>> {
    const { call, decision } = wanted
    const binding = bindingOf(wanted)
    if (binding === undefined || decision.approver === undefined)
      return refuse({ reason: 'nobody_entitled' })
    const within = await this.#affordable(wanted)
    if (!within.ok) return within
    const warnings = await this.#openWarnings(wanted)
    const asked = await requestApproval(
      {
        binding,
        call: call.id,
        entitled: decision.approver,
        shown: shownOf(wanted, warnings),
        lifetimeMilliseconds: LIFETIME_MILLISECONDS,
        independent: wanted.target.independent,
      },
      this.#env,
    )
    return asked.ok ? ok(asked.value.id) : asked
  }

  /** Uses up the approval of an admitted call. */
  async consume(tx: Tx, judged: JudgedCall): Promise<Result<unknown>> {
    const { call, approval } = judged
    const binding = bindingOf(judged)
    if (binding === undefined || approval === undefined)
      return refuse({ reason: 'approval_not_usable' })
    return await consume(tx, { approval: approval.id, binding, call: call.id }, this.#env)
  }

  /** Voids what waits in the same tree on the same server; the entries to append with the call's. */
  async voidOthers(
    tx: Tx,
    { call, known, target, approval }: JudgedCall,
  ): Promise<readonly Entry[]> {
    const going = {
      call: call.id,
      root: rootOf(known.tree).id,
      server: call.server.id,
      independent: target.independent,
      ...(approval !== undefined && { approval: approval.id }),
    }
    return await voidOthers(tx, going, { type: 'system', part: 'gateway' }, this.#env)
  }

  /** Whether the limits would let the call through now: a debit that is not kept. */
  async #affordable({ known, intent }: JudgedCall): Promise<Result<unknown>> {
    let debited: Result<unknown> = ok()
    await this.#env.store.transaction(async (tx) => {
      debited = await debit(tx, known.tree, intent)
      return refuse({ reason: 'not_kept' })
    })
    return debited
  }

  /** The warnings that results in this tree carried: an approver must not learn of them afterwards. */
  async #openWarnings({ known }: JudgedCall): Promise<string[]> {
    return await this.#env.store.snapshot(async (tx) => {
      const tree = await delegationTree(tx, rootOf(known.tree).id)
      const entries = await entriesOfDelegations(tx, tree)
      const warnings = entries.flatMap(({ entry }) =>
        entry.kind === 'call_outcome' ? (entry.warnings ?? []) : [],
      )
      return [...new Set(warnings)]
    })
  }
}

function bindingOf({ call, target, argumentsDigest }: AskedCall): Binding | undefined {
  const { caller, server, action } = call
  if (target.digest === undefined) return undefined
  return {
    agents: caller.agents,
    person: caller.person,
    delegation: caller.delegation,
    server: server.id,
    action: action.action,
    definition: target.digest,
    argumentsDigest,
  }
}

/** Exactly what the approver sees: who asks for what, by whose leave, from where, and what stands open. */
function shownOf(wanted: JudgedCall, warnings: readonly string[]): JsonObject {
  const { call, target, known, provenance } = wanted
  const { delegation } = known.tree
  const [person] = known.facts.people
  return {
    person: { id: call.caller.person, handle: person?.handle },
    purpose: delegation.purpose,
    delegation: delegation.id,
    stage: known.facts.stage,
    agent: { spiffeId: call.caller.spiffeIds[0], archetype: delegation.delegate.archetype },
    accountable: known.facts.accountable,
    server: { name: call.server.name, title: call.server.title },
    action: call.action.action,
    arguments: call.action.arguments,
    definition: { digest: target.digest, description: target.definition?.value['description'] },
    provenance: provenance.map(({ path, from, grounded }) => ({ path, from, grounded })),
    doubts: inWords(provenance, wanted.shown, {
      person: person?.handle ?? 'the person',
      server: (id) => {
        if (id.startsWith('agt_')) return 'the agent that handed the work on'
        return id === call.server.id ? call.server.name : 'another server'
      },
    }),
    openWarnings: warnings,
  }
}
