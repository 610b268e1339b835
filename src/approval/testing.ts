/** An office in which something waits for a yes. For tests of every room above. */

import type { TestContext } from 'node:test'
import { append, lockHead } from '../audit/append.ts'
import { digestOfJson } from '../base/bytes.ts'
import { must, ok, refuse, type Result } from '../base/result.ts'
import type { Delegation } from '../delegation/delegation.ts'
import { rootOf, loadTree } from '../delegation/standing.ts'
import { openTestOffice, type TestOffice } from '../delegation/testing.ts'
import type { Approval, Binding } from './approval.ts'
import { type ApprovalRequest, decideApproval, requestApproval } from './approve.ts'
import { consume, type ConsumeRefusal, voidOthers } from './consume.ts'
import { migrations } from './migrations.ts'

/** An office with the tables of approvals. */
export async function openTestApprovals(t: TestContext): Promise<TestOffice> {
  return await openTestOffice(t, migrations)
}

/** The call `file` on `documents` for a client, as it would be bound. */
export function testBinding(
  office: TestOffice,
  { id }: Delegation,
  more: Partial<Binding> = {},
): Binding {
  return {
    agents: [office.agent.id],
    person: office.alice.person,
    delegation: id,
    server: office.documents.id,
    action: 'tools/call:file',
    definition: digestOfJson('the definition of file'),
    argumentsDigest: digestOfJson({ client: '1042' }),
    ...more,
  }
}

/** What the gateway would ask. */
export function testApproval(
  office: TestOffice,
  binding: Binding,
  more: Partial<ApprovalRequest> = {},
): ApprovalRequest {
  return {
    binding,
    call: 'g1.1',
    entitled: office.partners.id,
    shown: { action: binding.action, arguments: { client: '1042' } },
    lifetimeMilliseconds: 60_000,
    ...more,
  }
}

/** Asks, and lets Paul say yes. */
export async function approvedTest(
  office: TestOffice,
  binding: Binding,
  more: Partial<ApprovalRequest> = {},
): Promise<Approval> {
  const asked = must(await requestApproval(testApproval(office, binding, more), office))
  const { id, shownDigest } = asked
  return must(await decideApproval({ id, decision: 'approve', shownDigest }, office.paul, office))
}

/** Makes the call as the gateway does: consume, record, void the others, in one transaction. */
export async function makeApproved(
  office: TestOffice,
  { id }: Approval,
  binding: Binding,
  call = 'g1.2',
): Promise<Result<Approval, ConsumeRefusal>> {
  return await office.store.transaction(async (tx) => {
    const readAt = await lockHead(tx)
    const used = await consume(tx, { approval: id, binding, call }, office)
    if (!used.ok) return used
    const tree = await loadTree(tx, binding.delegation)
    if (tree === undefined) throw new Error('expected the delegation')
    // As admission does: what was stopped before this transaction admits nothing in it.
    if (tree.state !== 'active') return refuse({ reason: 'approval_not_usable' })
    const by = { type: 'system', part: 'gateway' } as const
    const going = { call, root: rootOf(tree).id, server: binding.server, approval: id }
    const voided = await voidOthers(tx, going, by, office)
    const { agents, person, ...bound } = binding
    await append(tx, [
      {
        v: 1,
        kind: 'call_intended',
        time: office.clock.nowMilliseconds(),
        by,
        ...bound,
        call,
        agents: [...agents],
        person,
        stage: 'collect',
        verdicts: [],
        readAt,
        relied: [binding.delegation],
        approval: id,
        expiresAt: used.value.expiresAt,
      },
      ...voided,
    ])
    return ok(used.value)
  })
}
