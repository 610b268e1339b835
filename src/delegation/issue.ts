/**
 * Issuing a delegation: what a person's delegation and an agent's sub-delegation have in common.
 *
 * `checkDelegate` and `checkParties` say whether those named exist; `issueDelegation` signs, writes and
 * records. The recorder appends, so it is the last call of a transaction.
 */

import { append } from '../audit/append.ts'
import type { Actor, Proposed, Sealed } from '../audit/entry.ts'
import type { Vault } from '../audit/vault.ts'
import type { Json } from '../base/canonical-json.ts'
import type { Clock } from '../base/clock.ts'
import { newId } from '../base/id.ts'
import type { Random } from '../base/random.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import { findAgent, findArchetype } from '../identity/agent-store.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { Keyring } from '../keys/keyring.ts'
import { findGroup, findPerson } from '../people/people-store.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Delegate, Delegation, Party } from './delegation.ts'
import { insertDelegation } from './delegation-store.ts'
import { openUsage } from './limits.ts'
import { type ActClaim, signDelegation } from './signed-delegation.ts'
import type { Proposal } from './signed-proposal.ts'

/** What issuing needs. */
export interface IssueEnv {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly keyring: Keyring
  readonly vault: Vault
  /** The public origin. */
  readonly issuer: string
}

/** Why nobody of that name can be a delegate. */
export interface DelegateRefusal {
  readonly reason: 'unknown_archetype' | 'unknown_agent' | 'agent_not_active' | 'wrong_archetype'
}

/** Succeeds with the SPIFFE ID of the agent that is named, or undefined for any of its archetype. */
export async function checkDelegate(
  tx: Tx,
  delegate: Delegate,
): Promise<Result<SpiffeId | undefined, DelegateRefusal>> {
  if ((await findArchetype(tx, delegate.archetype)) === undefined) {
    return refuse({ reason: 'unknown_archetype' })
  }
  if (delegate.agent === undefined) return ok(undefined)
  const agent = await findAgent(tx, delegate.agent)
  if (agent === undefined) return refuse({ reason: 'unknown_agent' })
  if (agent.archetype !== delegate.archetype) return refuse({ reason: 'wrong_archetype' })
  return agent.state === 'active' ? ok(agent.spiffeId) : refuse({ reason: 'agent_not_active' })
}

/** Succeeds if every person and group exists. */
export async function checkParties(
  tx: Tx,
  parties: readonly Party[],
): Promise<Result<undefined, { reason: 'unknown_party'; message: string }>> {
  for (const party of new Set(parties)) {
    const found = party.startsWith('per_')
      ? await findPerson(tx, party)
      : await findGroup(tx, party)
    if (found === undefined) {
      return refuse({ reason: 'unknown_party', message: `expected \`${party}\` to exist` })
    }
  }
  return ok()
}

/** The terms of a delegation that is about to be issued. */
export type Draft = Omit<Delegation, 'id' | 'signed' | 'state'>

/** Signs, writes and records a delegation. */
export async function issueDelegation(
  tx: Tx,
  draft: Draft,
  more: {
    readonly by: Actor
    readonly agent?: SpiffeId
    readonly act?: ActClaim
    /** What its person confirmed. */
    readonly proposal?: Proposal
  },
  env: IssueEnv,
): Promise<Delegation> {
  const id = newId('dlg', env)
  const proposal = more.proposal as unknown as Json | undefined
  const [purpose, details, proposed] = await env.vault.sealMany(
    tx,
    [
      draft.purpose,
      draft.details as unknown as Json,
      ...(proposal === undefined ? [] : [proposal]),
    ].map((value) => ({
      value,
      subject: draft.person,
    })),
  )
  if (purpose === undefined || details === undefined) throw new Error('expected two sealed values')
  const signed = signDelegation({ ...draft, id }, { ...more, purpose }, env)
  const made: Delegation = { ...draft, id, state: 'active', signed }
  await insertDelegation(tx, made)
  await openUsage(tx, made)
  await append(tx, [
    {
      v: 1,
      kind: 'delegation_created',
      time: env.clock.nowMilliseconds(),
      by: more.by,
      touches: [id],
      delegation: id,
      person: draft.person,
      delegate: { ...draft.delegate },
      ...(draft.parent === undefined ? {} : { parent: draft.parent }),
      purpose,
      details,
      stages: [...draft.stages],
      stage: draft.stage,
      expiresAt: draft.expiresAt,
      ...(more.proposal !== undefined &&
        proposed !== undefined && { proposed: wayOf(more.proposal, proposed) }),
    },
  ])
  return made
}

/** By which way it was proposed, as the entry says it; the rest lies beside the log. */
function wayOf({ way }: Proposal, proposal: Sealed): Proposed {
  switch (way.by) {
    case 'words':
      return { by: way.by, proposal }
    case 'template':
      return { by: way.by, template: way.template, proposal }
    case 'model':
      return { by: way.by, model: way.model, template: way.template, proposal }
    default:
      throw new TypeError(`expected a way, got ${JSON.stringify(way satisfies never)}`)
  }
}
