/**
 * A person says yes, or no, to exactly one call.
 *
 * The gateway calls `requestApproval` when a decision came out as `approval_required`; an entitled person
 * calls `decideApproval` with the digest of what they were shown; when the call is made again, the
 * gateway finds the yes, decides again, and consumes it in the transaction that admits the call
 * (`consume.ts`).
 *
 * INVARIANT (approval binding): the yes is bound to caller chain, delegation, server, definition and
 * arguments; who may say it is fixed when it is asked; it comes only from a person's own session; it
 * is used once, before it expires.
 */

import { append, lockHead } from '../audit/append.ts'
import type { Actor } from '../audit/entry.ts'
import type { Vault } from '../audit/vault.ts'
import { type Digest, digestOf } from '../base/bytes.ts'
import { canonicalJson, type JsonObject } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import { type AskerRefusal, checkAsker, isAmong } from '../delegation/asker.ts'
import type { Party } from '../delegation/delegation.ts'
import { databaseMilliseconds } from '../delegation/delegation-store.ts'
import { agentsOf, loadTree, type NotStanding, rootOf, standing } from '../delegation/standing.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { PersonId } from '../people/person.ts'
import { findPerson, membersOf } from '../people/people-store.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Store, Tx } from '../store/store.ts'
import { type Approval, type ApprovalId, type Binding, bindingDigest } from './approval.ts'
import { findApproval, insertApproval, latestFor, openIn, setDecision } from './approval-store.ts'
import { printable } from './printable.ts'
import { signApproval } from './signed-approval.ts'

/** A call that needs a yes. */
export interface ApprovalRequest {
  readonly binding: Binding
  /** The call that asks. */
  readonly call: string
  /** Who may say yes: this person, or any one member of this group. */
  readonly entitled: Party
  /** All that an approver should see: purpose, arguments, definition, warnings. Escaped here. */
  readonly shown: JsonObject
  /** How long it may be answered and used; at most a day. */
  readonly lifetimeMilliseconds: number
  /** Whether review declared the call independent of others on its server. */
  readonly independent?: boolean
}

/** Why nobody was asked. */
export type RequestRefusal =
  | NotStanding
  | { readonly reason: 'unknown_delegation' | 'other_caller' | 'nobody_entitled' | 'too_many_open' }
  | { readonly reason: 'shown_too_large' }
  /** Somebody said no to exactly this call, and the time to answer has not passed. */
  | { readonly reason: 'denied'; readonly approval: ApprovalId }

const MAX_SHOWN_BYTES = 262_144
const MAX_LIFETIME_MILLISECONDS = 86_400_000
/** The most requests that wait in one tree: a person who is asked too often stops reading. */
const MAX_OPEN = 20

interface RequestEnv {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly vault: Vault
}

/**
 * Asks for a yes. Asking again for the same call, while it is pending or approved, returns what there is;
 * a no stands as long as it could have been a yes.
 */
export async function requestApproval(
  request: ApprovalRequest,
  env: RequestEnv,
): Promise<Result<Approval, RequestRefusal>> {
  const { binding, lifetimeMilliseconds } = request
  if (!(lifetimeMilliseconds > 0 && lifetimeMilliseconds <= MAX_LIFETIME_MILLISECONDS)) {
    throw new RangeError(`expected a lifetime of at most a day, got ${lifetimeMilliseconds} ms`)
  }
  const shown = printable(request.shown)
  const text = canonicalJson(shown)
  if (Buffer.byteLength(text) > MAX_SHOWN_BYTES) return refuse({ reason: 'shown_too_large' })

  return await env.store.transaction(async (tx) => {
    const before = await asked(tx, binding)
    if (before !== undefined) return before
    const entitledPeople = await peopleAmong(tx, request.entitled)
    if (entitledPeople.length === 0) return refuse({ reason: 'nobody_entitled' })

    // INVARIANT (one instant): what stands is read after the lock, so that the log never shows a request
    // after the end of what it is for.
    await lockHead(tx)
    const meanwhile = await asked(tx, binding)
    if (meanwhile !== undefined) return meanwhile
    const tree = await loadTree(tx, binding.delegation)
    if (tree === undefined) return refuse({ reason: 'unknown_delegation' })
    // The chain that a yes is bound to is the tree's own, whatever the asker says of it.
    const agents = agentsOf(tree) ?? []
    if (tree.delegation.person !== binding.person || agents.join() !== binding.agents.join()) {
      return refuse({ reason: 'other_caller' })
    }
    const now = await databaseMilliseconds(tx)
    const stands = standing(tree, Math.floor(now / 1_000))
    if (!stands.ok) return stands
    const root = rootOf(tree).id
    if ((await openIn(tx, root)).length >= MAX_OPEN) return refuse({ reason: 'too_many_open' })

    const made: Approval = {
      id: newId('apr', env),
      state: 'pending',
      binding,
      root,
      call: request.call,
      entitled: request.entitled,
      entitledPeople,
      shown,
      shownDigest: digestOf(text),
      independent: request.independent === true,
      requestedAt: now,
      expiresAt: now + lifetimeMilliseconds,
    }
    await insertApproval(tx, made)
    const { agents: _, person, ...bound } = binding
    await append(tx, [
      {
        v: 1,
        kind: 'approval_requested',
        time: env.clock.nowMilliseconds(),
        by: requester(binding),
        touches: [made.id],
        ...bound,
        approval: made.id,
        call: made.call,
        entitled: made.entitled,
        shown: await env.vault.seal(tx, shown, { subject: person }),
        expiresAt: made.expiresAt,
      },
    ])
    return ok(made)
  })
}

/** An answer to a request. */
export interface ApprovalDecision {
  readonly id: ApprovalId
  readonly decision: 'approve' | 'deny'
  /** `shownDigest` of what the person had before them. */
  readonly shownDigest: Digest
}

/** Why a decision was not taken. */
export type DecisionRefusal =
  | AskerRefusal
  | NotStanding
  | { readonly reason: 'unknown_approval' | 'not_entitled' | 'not_what_was_shown' }
  | { readonly reason: 'not_pending'; readonly state: Approval['state'] }

interface DecisionEnv {
  readonly store: Store
  readonly clock: Clock
  readonly keyring: Keyring
  readonly issuer: string
}

/** Takes a person's yes or no. */
export async function decideApproval(
  request: ApprovalDecision,
  session: Session,
  env: DecisionEnv,
): Promise<Result<Approval, DecisionRefusal>> {
  return await env.store.transaction(async (tx) => {
    await lockHead(tx)
    const now = await checkAsker(tx, session)
    if (!now.ok) return now
    const approval = await findApproval(tx, request.id)
    if (approval === undefined) return refuse({ reason: 'unknown_approval' })
    if (!(await mayDecide(tx, approval, session))) return refuse({ reason: 'not_entitled' })
    if (approval.state !== 'pending') {
      return refuse({ reason: 'not_pending', state: approval.state })
    }
    if (request.shownDigest !== approval.shownDigest) {
      return refuse({ reason: 'not_what_was_shown' })
    }
    const stands = await stillStands(tx, approval, now.value)
    if (!stands.ok) return stands

    const state = request.decision === 'approve' ? 'approved' : 'denied'
    const signed =
      state === 'approved' ? signApproval(approval, session, now.value, env) : undefined
    const decision = {
      state,
      by: session.person,
      ...(signed === undefined ? {} : { signed }),
    } as const
    if (!(await setDecision(tx, approval.id, decision))) {
      return refuse({ reason: 'not_pending', state: 'expired' })
    }
    await append(tx, [
      {
        v: 1,
        kind: 'approval_decided',
        time: env.clock.nowMilliseconds(),
        by: personActor(session),
        touches: [approval.id],
        approval: approval.id,
        delegation: approval.binding.delegation,
        decision: state,
        shown: approval.shownDigest,
      },
    ])
    const { by: decidedBy, ...decided } = decision
    return ok({ ...approval, ...decided, decidedBy })
  })
}

/** The answer to who asks for exactly this call again, if there is one. */
async function asked(
  tx: Tx,
  binding: Binding,
): Promise<Result<Approval, RequestRefusal> | undefined> {
  const latest = await latestFor(tx, bindingDigest(binding))
  if (latest?.state === 'pending' || latest?.state === 'approved') return ok(latest)
  const now = await databaseMilliseconds(tx)
  if (latest?.state !== 'denied' || latest.expiresAt <= now) return undefined
  return refuse({ reason: 'denied', approval: latest.id })
}

/** The active people that a person or group means now. */
async function peopleAmong(tx: Tx, entitled: Party): Promise<PersonId[]> {
  if (isGroup(entitled)) {
    return (await membersOf(tx, entitled)).filter((p) => p.active).map((p) => p.id)
  }
  const person = await findPerson(tx, entitled)
  return person?.active === true ? [person.id] : []
}

/** Whoever was meant when it was asked and is still meant. */
async function mayDecide(tx: Tx, approval: Approval, session: Session): Promise<boolean> {
  if (!approval.entitledPeople.includes(session.person)) return false
  return await isAmong(tx, session, [approval.entitled])
}

async function stillStands(
  tx: Tx,
  { binding }: Approval,
  now: number,
): Promise<Result<undefined, NotStanding>> {
  const tree = await loadTree(tx, binding.delegation)
  if (tree === undefined) throw new Error(`expected the delegation \`${binding.delegation}\``)
  return standing(tree, Math.floor(now / 1_000))
}

function requester({ agents, delegation, person }: Binding): Actor {
  const [agent] = agents
  if (agent === undefined) throw new Error('expected an agent in the act chain')
  return { type: 'agent', agent, delegation, person }
}

function isGroup(party: Party): party is Extract<Party, `grp_${string}`> {
  return party.startsWith('grp_')
}
