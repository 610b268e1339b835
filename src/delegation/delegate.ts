/**
 * A person hands an agent authority for one purpose.
 *
 * Call `delegate`. It makes the root of a tree: the person's own authority, bounded by an intent
 * (`intent.ts`), in stages that people move (`stage.ts`), until it ends (`end.ts`). The agent may pass
 * parts of it on (`sub-delegate.ts`); nothing below is ever wider (`narrowing.ts`). Before each call
 * `standing.ts` says whether it is still honoured, `covers.ts` whether the intent covers the call, and
 * `limits.ts` debits it everywhere above.
 */

import * as z from 'zod'
import type { Json } from '../base/canonical-json.ts'
import { type Result, ok, refuse } from '../base/result.ts'
import { personActor, type Session } from '../people/session.ts'
import { findServer } from '../registry/server-store.ts'
import type { Tx } from '../store/store.ts'
import { type AskerRefusal, checkAsker } from './asker.ts'
import {
  type Delegate,
  type Delegation,
  delegateSchema,
  MAX_LIFETIME_SECONDS,
  type Party,
  partySchema,
  stagesSchema,
} from './delegation.ts'
import { firstIssue, type McpCallDetail, parseDetails } from './intent.ts'
import {
  checkDelegate,
  checkParties,
  type DelegateRefusal,
  type IssueEnv,
  issueDelegation,
} from './issue.ts'
import { lockedTemplate } from './keep-template.ts'
import { contains } from './narrowing.ts'
import { type Proposal, verifyProposal } from './signed-proposal.ts'

/** What a person asks for. */
export interface DelegateRequest {
  /** In the person's own words; what approvers and auditors are shown. */
  readonly purpose: string
  readonly delegate: Delegate
  /** `authorization_details` (RFC 9396 §2), parsed by `parseDetails`. */
  readonly details: Json
  /** In order; work begins in the first. */
  readonly stages?: readonly string[]
  /** Who moves the stage beside the person. */
  readonly stageMovers?: readonly Party[]
  /** Whether the stage may be moved back; forward only unless told. */
  readonly stagesReversible?: boolean
  /** From now, at most a year. */
  readonly lifetimeSeconds: number
  /** What was proposed to the person and they now confirm, narrowed or not (`signed-proposal.ts`). */
  readonly proposal?: string
}

/** Why a delegation was not made. */
export type DelegationRefusal =
  | AskerRefusal
  | DelegateRefusal
  | { readonly reason: 'invalid_request'; readonly message: string }
  | { readonly reason: 'invalid_authorization_details'; readonly message: string }
  | { readonly reason: 'unknown_server'; readonly message: string }
  | { readonly reason: 'unknown_party'; readonly message: string }
  | { readonly reason: 'invalid_proposal'; readonly message: string }
  | { readonly reason: 'not_as_proposed'; readonly message: string }

/** The members of a request that sub-delegations share. */
export const termsSchema = z.strictObject({
  purpose: z
    .string()
    .min(1)
    .max(2_000)
    .refine((text) => text.isWellFormed(), 'expected well-formed Unicode'),
  delegate: delegateSchema,
  lifetimeSeconds: z.int().min(1).max(MAX_LIFETIME_SECONDS),
})

const requestSchema = termsSchema.extend({
  stages: stagesSchema.default([]),
  stageMovers: z.array(partySchema).max(50).default([]),
  stagesReversible: z.boolean().default(false),
})

/**
 * Makes a root delegation of the session's person.
 *
 * INVARIANT (approval binding): a root delegation comes only from a person's own session: its person
 * is never named in the request, and there is no `act` in it.
 */
export async function delegate(
  request: DelegateRequest,
  session: Session,
  env: IssueEnv,
): Promise<Result<Delegation, DelegationRefusal>> {
  const { details: stated, proposal, ...rest } = request
  const terms = requestSchema.safeParse(rest)
  if (!terms.success) return refuse({ reason: 'invalid_request', message: firstIssue(terms.error) })
  const details = parseDetails(stated)
  if (!details.ok) return details
  const stagesKnown = checkStages(details.value, terms.data.stages)
  if (!stagesKnown.ok) return stagesKnown
  const confirmed =
    proposal === undefined
      ? undefined
      : confirmedBy(proposal, terms.data, details.value, { session, env })
  if (confirmed?.ok === false) return confirmed

  return await env.store.transaction(async (tx) => {
    const now = await checkAsker(tx, session)
    if (!now.ok) return now
    const agent = await checkDelegate(tx, terms.data.delegate)
    if (!agent.ok) return agent
    const servers = await checkLocations(tx, details.value, env.issuer)
    if (!servers.ok) return servers
    const { stageMovers, lifetimeSeconds, ...draft } = terms.data
    const parties = await checkParties(tx, [...stageMovers, ...approversOf(details.value)])
    if (!parties.ok) return parties
    if (confirmed !== undefined) {
      const stands = await checkTemplate(tx, confirmed.value, terms.data.delegate.archetype)
      if (!stands.ok) return stands
    }

    const made = await issueDelegation(
      tx,
      {
        ...draft,
        person: session.person,
        ancestors: [],
        details: details.value,
        stage: draft.stages[0] ?? null,
        stageMovers,
        createdAt: now.value,
        expiresAt: Math.floor(now.value / 1_000) + lifetimeSeconds,
      },
      {
        by: personActor(session),
        ...(agent.value !== undefined && { agent: agent.value }),
        ...(confirmed !== undefined && { proposal: confirmed.value }),
      },
      env,
    )
    return ok(made)
  })
}

/** What was proposed, if what is delegated lies within it. */
function confirmedBy(
  signed: string,
  { purpose, delegate: to }: z.infer<typeof termsSchema>,
  details: readonly McpCallDetail[],
  { session, env }: { readonly session: Session; readonly env: IssueEnv },
): Result<Proposal, DelegationRefusal> {
  const { person } = session
  const made = verifyProposal(signed, { person, words: purpose, archetype: to.archetype }, env)
  if (!made.ok) return made
  // INVARIANT (narrowing): what a person was shown is the most that they confirm by it.
  const within = contains(made.value.details, details)
  if (within.ok) return made
  return refuse({ reason: 'not_as_proposed', message: within.error.message })
}

/** Succeeds if what was proposed by a template was proposed by one that stands. */
async function checkTemplate(
  tx: Tx,
  { way }: Proposal,
  archetype: string,
): Promise<Result<undefined, DelegationRefusal>> {
  if (way.by === 'words') return ok()
  const { name, digest } = way.template
  if ((await lockedTemplate(tx, archetype, name)) === digest) return ok()
  const message = `expected the template \`${name}\` as it was: look at the proposal again`
  return refuse({ reason: 'not_as_proposed', message })
}

/** Who is to approve, by all details. */
export function approversOf(details: readonly McpCallDetail[]): Party[] {
  return details.flatMap(({ approval }) => (approval === undefined ? [] : [approval.by]))
}

/** Succeeds if details name no other stages than the job has: such a detail would never grant. */
export function checkStages(
  details: readonly McpCallDetail[],
  stages: readonly string[],
): Result<undefined, { reason: 'invalid_request'; message: string }> {
  const unknown = details.flatMap((d) => d.stages ?? []).find((stage) => !stages.includes(stage))
  if (unknown === undefined) return ok()
  return refuse({ reason: 'invalid_request', message: `expected \`${unknown}\` among the stages` })
}

/** Succeeds if every location is that of a server we have, so that no name is granted in advance. */
async function checkLocations(
  tx: Tx,
  details: readonly McpCallDetail[],
  issuer: string,
): Promise<Result<undefined, { reason: 'unknown_server'; message: string }>> {
  for (const location of new Set(details.flatMap((d) => d.locations))) {
    const name = location.startsWith(`${issuer}/mcp/`)
      ? location.slice(`${issuer}/mcp/`.length)
      : ''
    const server = name === '' ? undefined : await findServer(tx, name)
    // A server is known by its identifier too; its location is by name only.
    if (server === undefined || server.name !== name || server.state === 'withdrawn') {
      return refuse({ reason: 'unknown_server', message: `expected a server at \`${location}\`` })
    }
  }
  return ok()
}
