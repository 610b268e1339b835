/**
 * Issues an access token if everything that it rests on stands at one instant. HEART: its order is the
 * correctness argument.
 *
 * INVARIANT (one instant): facts are read on one snapshot of a log of size `readAt`. The commit takes the
 * log's head first, so that every change with a lower index is visible, and goes on only if nothing that
 * was relied on was touched since. The log never shows a token after the end of what it rests on.
 */

import { resolve } from '../accountability/resolve.ts'
import { append, lockHead, prepareEntry } from '../audit/append.ts'
import type { EntryOf, Subject } from '../audit/entry.ts'
import type { LogWriter } from '../audit/log-writer.ts'
import { nowSeconds } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { claim } from '../delegation/claim.ts'
import type { McpCallDetail } from '../delegation/intent.ts'
import { contains } from '../delegation/narrowing.ts'
import { type DelegationClaims, isAsSigned, verifyTree } from '../delegation/signed-delegation.ts'
import { branchOf, loadTree, rootOf, standing, type Tree } from '../delegation/standing.ts'
import type { Agent } from '../identity/agent.ts'
import { findAgent } from '../identity/agent-store.ts'
import { logSize, staleAmong } from '../store/changes.ts'
import type { Tx } from '../store/store.ts'
import { MAX_TOKEN_BYTES } from './access-token.ts'
import { actChain } from './act-chain.ts'
import type { Client, ClientEnv } from './authenticate-client.ts'
import { type OAuthError, refuseRequest } from './errors.ts'
import { type ExchangeRequest, SCOPE } from './exchange-request.ts'
import { mint, type MintedToken } from './mint.ts'
import type { Recent } from './recent.ts'
import { detailsAt } from './resource.ts'
import { pinKey, pinnedKey } from './token-store.ts'
import { statesUncounted } from './uncounted-limits.ts'

/** A request whose every part is genuine. Whether it stands is for the store to say. */
export interface Asked {
  readonly client: Client
  readonly request: ExchangeRequest
  /** The thumbprint of the key that the client proved. */
  readonly jkt: string
  readonly signed: DelegationClaims
}

/** What a token rests on, as read at one instant: true for as long as nothing in `relied` is touched. */
export interface IssueFacts {
  readonly agent: Agent
  readonly tree: Tree
  /** The key that the agent proved. */
  readonly jkt: string
  /** Whether the agent has proved its key before. */
  readonly pinned: boolean
  /** The size of the log then, and the time in milliseconds. */
  readonly readAt: number
  readonly readTime: number
  readonly relied: readonly Subject[]
}

/** What issuing needs. */
export interface IssueEnv extends ClientEnv {
  readonly logWriter: LogWriter
  /** Facts by delegation. */
  readonly issueFacts: Recent<IssueFacts>
}

/** How often facts are read anew because they changed. */
const ATTEMPTS = 3

/** How long facts are used again. Who answers also depends on the time, which touches nothing. */
const FACTS_MILLISECONDS = 60_000

/** How the person was authenticated at `auth_time`: a root delegation is made from their own session only. */
const SESSION_ACR = 'session'

/** The token, recorded; or why there is none. */
export async function issueToken(
  asked: Asked,
  env: IssueEnv,
): Promise<Result<MintedToken, OAuthError>> {
  const { jti: delegation } = asked.signed
  const details = narrowed(asked, env)
  if (!details.ok) return details
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const facts = await factsFor(asked, env)
    if (!facts.ok) return facts
    const minted = mintFor(asked, details.value, facts.value.tree, env)
    // RFC 6750 §2.1: a token travels in a header, and headers have an end.
    if (minted.token.length > MAX_TOKEN_BYTES) {
      return refuseRequest('details_too_large', { delegation })
    }
    const recorded = await record({ asked, facts: facts.value, minted }, env)
    if (recorded.ok) return ok(minted)
    env.issueFacts.delete(delegation)
    if (recorded.error.reason === 'not_the_delegate') {
      return refuseRequest('delegation_not_for_actor', { delegation, cause: 'claimed_by_another' })
    }
  }
  return refuseRequest('facts_changing', { delegation })
}

/** INVARIANT (narrowing): the token's authority is the delegation's, or less, at this one resource. */
function narrowed(
  { request, signed }: Asked,
  env: { readonly issuer: string },
): Result<McpCallDetail[], OAuthError> {
  const delegation = signed.jti
  const own = signed.authorization_details
  if (request.details !== undefined && !contains(own, request.details).ok) {
    return refuseRequest('details_not_contained', { delegation })
  }
  if (request.details !== undefined && statesUncounted(request.details, own)) {
    return refuseRequest('limits_not_counted', { delegation })
  }
  const granted = detailsAt(request.resource, request.details ?? own, env.issuer)
  return granted === undefined
    ? refuseRequest('resource_not_delegated', { delegation })
    : ok(granted)
}

/**
 * The facts as remembered, or as read now. Remembered ones need no second look here: the commit goes on
 * only if they still hold, whenever they were read.
 */
async function factsFor(asked: Asked, env: IssueEnv): Promise<Result<IssueFacts, OAuthError>> {
  const { client, request, jkt, signed } = asked
  const now = env.clock.nowMilliseconds()
  const known = env.issueFacts.get(signed.jti)
  const usable =
    known?.agent.id === client.agentId &&
    known.jkt === jkt &&
    known.tree.delegation.signed === request.subjectToken &&
    now - known.readTime < FACTS_MILLISECONDS &&
    standing(known.tree, nowSeconds(env.clock)).ok
  if (usable) return ok(known)
  const read = await env.store.snapshot((tx) => readFacts(tx, asked, env))
  // An agent that proves its key or claims the delegation only now is read again with both.
  if (read.ok && read.value.pinned && read.value.tree.delegation.delegate.agent !== undefined) {
    env.issueFacts.put(signed.jti, read.value)
  }
  return read
}

async function readFacts(
  tx: Tx,
  { client, request, jkt, signed }: Asked,
  env: ClientEnv,
): Promise<Result<IssueFacts, OAuthError>> {
  const delegation = signed.jti
  const readTime = env.clock.nowMilliseconds()
  const readAt = await logSize(tx)
  const agent = await findAgent(tx, client.agentId)
  if (agent?.state !== 'active') return refuseRequest('client_inactive', { delegation })
  // An agent's first key is its only one: a stolen SVID is worth nothing without it.
  const known = await pinnedKey(tx, agent.id)
  if (known !== undefined && known !== jkt) {
    return refuseRequest('proof_wrong_key', { delegation, cause: 'not_pinned' })
  }
  const tree = await loadTree(tx, delegation)
  if (tree === undefined || tree.delegation.signed !== request.subjectToken) {
    return refuseRequest('delegation_invalid', { delegation, cause: 'not_recorded' })
  }
  // INVARIANT (separate powers): what the rows say is what the issuer signed, up to the root.
  const genuine =
    tree.ancestors.length === 0 ? isAsSigned(tree.delegation, signed) : verifyTree(tree, env).ok
  if (!genuine) return refuseRequest('delegation_invalid', { delegation, cause: 'altered' })
  const stands = standing(tree, nowSeconds(env.clock))
  if (!stands.ok) {
    return refuseRequest('delegation_not_standing', { delegation, cause: stands.error.reason })
  }
  if (!mayAct(signed, agent)) return refuseRequest('delegation_not_for_actor', { delegation })
  // INVARIANT (one accountable person): nobody acts for whom nobody answers.
  const answers = await resolve(tx, agent.id, readTime)
  if (!answers.ok) return refuseRequest('nobody_accountable', { delegation })

  const branch = branchOf(tree).map(({ id }) => id)
  const relied = [...new Set([...branch, signed.sub, agent.id, ...answers.value.relied])]
  return ok({ agent, tree, jkt, pinned: known !== undefined, readAt, readTime, relied })
}

/** RFC 8693 §4.4: only who is named may act; for an archetype, the instance that claims it first. */
function mayAct({ may_act: named }: DelegationClaims, agent: Agent): boolean {
  return 'sub' in named ? named.sub === agent.spiffeId : named.archetype === agent.archetype
}

function mintFor(
  { client, request, jkt, signed }: Asked,
  details: readonly McpCallDetail[],
  tree: Tree,
  env: ClientEnv,
): MintedToken {
  return mint(
    {
      person: signed.sub,
      delegation: signed.jti,
      agents: [client.spiffeId, ...actChain(signed.act)],
      resource: request.resource,
      details,
      scope: SCOPE,
      jkt,
      authTime: Math.floor(rootOf(tree).createdAt / 1_000),
      acr: SESSION_ACR,
      notAfter: [client.expiresAt, ...branchOf(tree).map(({ expiresAt }) => expiresAt)],
    },
    env,
  )
}

interface Recording {
  readonly asked: Asked
  readonly facts: IssueFacts
  readonly minted: MintedToken
}

type Recorded = Result<undefined, { readonly reason: 'stale' | 'not_the_delegate' }>

/** Records the token. INVARIANT (record first): nobody holds it before this has committed. */
async function record(recording: Recording, env: IssueEnv): Promise<Recorded> {
  const { facts, minted } = recording
  const { agent, tree, pinned } = facts
  const isFirst = !pinned || tree.delegation.delegate.agent !== agent.id
  if (isFirst) return await env.store.transaction((tx) => recordFirst(tx, recording, env))
  const entry = prepareEntry(issuedEntry(facts, minted, env))
  const written = await env.logWriter.write({ entry, standing: facts })
  return written.ok ? ok() : refuse({ reason: 'stale' })
}

/** Records the agent's first token: with it the agent's key is pinned, and the delegation claimed. */
async function recordFirst(
  tx: Tx,
  { asked, facts, minted }: Recording,
  env: IssueEnv,
): Promise<Recorded> {
  const { agent, tree, pinned, readAt, relied } = facts
  await lockHead(tx)
  if ((await staleAmong(tx, relied, readAt)).length > 0) return refuse({ reason: 'stale' })
  const now = env.clock.nowMilliseconds()
  if (!pinned && !(await pinKey(tx, agent.id, { jkt: asked.jkt, now }))) {
    return refuse({ reason: 'stale' })
  }
  const claimed = await claim(tx, tree.delegation, agent, env)
  if (!claimed.ok) return claimed
  await append(tx, [...claimed.value, issuedEntry(facts, minted, env)])
  return ok()
}

function issuedEntry(
  { agent, tree }: IssueFacts,
  { claims }: MintedToken,
  env: IssueEnv,
): EntryOf<'token_issued'> {
  const { id: delegation, person } = tree.delegation
  return {
    v: 1,
    kind: 'token_issued',
    time: env.clock.nowMilliseconds(),
    by: { type: 'agent', agent: agent.id, delegation, person },
    delegation,
    agent: agent.id,
    jti: claims.jti,
    audience: claims.aud,
    boundBy: 'dpop',
    ...(claims.cnf !== undefined && 'jkt' in claims.cnf && { jkt: claims.cnf.jkt }),
    expiresAt: claims.exp,
  }
}
