/**
 * Beginning a conversation: `openConversation`.
 *
 * The agent acts under one delegation, so a delegation has at most one conversation, and only whoever
 * delegated begins it.
 */

import { lockHead } from '../../audit/append.ts'
import { newId } from '../../base/id.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import { databaseMilliseconds } from '../../delegation/delegation-store.ts'
import type { DelegationId } from '../../delegation/delegation.ts'
import { loadTree, standing } from '../../delegation/standing.ts'
import { personActor, type Session } from '../../people/session.ts'
import type { Conversation } from './conversation.ts'
import { openKey } from './conversation-key.ts'
import { insertConversation, record } from './event-store.ts'
import { type ConversationEnv, sealOne } from './speaking.ts'

/** What a person asks for. */
export interface OpenRequest {
  readonly delegation: DelegationId
  /** What it is about, in the person's words. */
  readonly topic: string
}

/** Begins a conversation under a delegation of the session's person. */
export async function openConversation(
  { delegation, topic }: OpenRequest,
  session: Session,
  env: ConversationEnv,
): Promise<Result<Conversation>> {
  return await env.store.transaction(async (tx) => {
    await lockHead(tx)
    const tree = await loadTree(tx, delegation)
    // Who did not delegate learns nothing, not even whether there is such a delegation.
    if (tree?.delegation.person !== session.person) return refuse({ reason: 'unknown_delegation' })
    const stands = standing(tree, Math.floor((await databaseMilliseconds(tx)) / 1_000))
    if (!stands.ok) return stands
    const conversation: Conversation = {
      id: newId('cnv', env),
      delegation,
      owner: session.person,
      createdAt: env.clock.nowMilliseconds(),
    }
    if (!(await insertConversation(tx, conversation))) {
      return refuse({
        reason: 'delegation_has_conversation',
        message: 'expected a delegation without a conversation: an agent acts in one',
      })
    }
    await openKey(tx, conversation.id, env)
    const sealed = sealOne({ value: topic, subject: session.person }, env)
    await record(
      tx,
      { conversation, by: personActor(session), author: session.person },
      { next: 0, facts: [{ kind: 'opened', topic: sealed.sealed }], values: [sealed] },
      env,
    )
    return ok(conversation)
  })
}
