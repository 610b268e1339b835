/** The invariants of all approvals at once. Tests call `checkApprovals` after every step that changes something. */

import { sql } from 'kysely'
import { decodeEntry, type Entry, type EntryOf } from '../audit/entry.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Approval } from './approval.ts'
import { allApprovals } from './approval-store.ts'
import { verifyApproval } from './signed-approval.ts'

/**
 * Throws, naming the approval, unless each is what the log says of it: requested once as it stands,
 * decided once at most, by somebody who was entitled and on what was shown, signed if approved, and
 * used by one call at most, which is the one it was given to.
 */
export async function checkApprovals(
  store: Store,
  env: { readonly keyring: Keyring; readonly issuer: string },
): Promise<void> {
  await store.snapshot(async (tx) => {
    const all = await allApprovals(tx)
    const told = await toldByTheLog(tx)
    for (const approval of all) {
      const expect = (holds: boolean, what: string): void => {
        if (!holds) throw new Error(`expected of \`${approval.id}\` that ${what}`)
      }
      const said = told.get(approval.id) ?? NOTHING
      checkRequested(approval, said, expect)
      checkDecided(approval, said, expect)
      checkUsed(approval, said, expect)
      const yes = approval.signed !== undefined
      expect(!yes || verifyApproval(approval, env).ok, 'the yes is as it was signed')
      told.delete(approval.id)
    }
    const [lost] = told.keys()
    if (lost !== undefined) throw new Error(`expected a row for \`${lost}\``)
  })
}

type Expect = (holds: boolean, what: string) => void

/** What the log says of one approval. */
interface Told {
  readonly requested: readonly EntryOf<'approval_requested'>[]
  readonly decided: readonly EntryOf<'approval_decided'>[]
  readonly voided: readonly EntryOf<'approval_voided'>[]
  readonly used: readonly EntryOf<'call_intended'>[]
}

const NOTHING: Told = { requested: [], decided: [], voided: [], used: [] }

function checkRequested(approval: Approval, { requested }: Told, expect: Expect): void {
  const [entry] = requested
  expect(requested.length === 1 && entry !== undefined, 'it was requested once')
  if (entry === undefined) return
  const { binding } = approval
  expect(
    entry.delegation === binding.delegation &&
      entry.server === binding.server &&
      entry.action === binding.action &&
      entry.definition === binding.definition &&
      entry.argumentsDigest === binding.argumentsDigest,
    'the request in the log is for the same call',
  )
  const by = entry.by.type === 'agent' && entry.by.agent === binding.agents[0]
  expect(by && entry.entitled === approval.entitled, 'who asked and who is entitled are the same')
}

function checkDecided(approval: Approval, { decided, voided }: Told, expect: Expect): void {
  const [entry] = decided
  expect(decided.length <= 1 && voided.length <= 1, 'it was decided and voided once at most')
  expect((entry === undefined) === (approval.decidedBy === undefined), 'the log has its decision')
  if (voided.length === 1) expect(approval.state === 'voided', 'it stays void')
  if (entry === undefined) return
  const { by } = entry
  // INVARIANT (approval binding): a person's own session, one of those fixed when it was asked.
  const person = by.type === 'person' && by.presence !== 'none' ? by.person : undefined
  expect(person === approval.decidedBy, 'a person decided it, in a session')
  expect(
    approval.entitledPeople.some((id) => id === person),
    'who decided was entitled',
  )
  expect(entry.shown === approval.shownDigest, 'what was shown is what was decided')
  expect((entry.decision === 'approved') === (approval.signed !== undefined), 'a yes is signed')
}

function checkUsed(
  approval: Approval & { readonly consumedBy?: string },
  { used, decided }: Told,
  expect: Expect,
): void {
  const [entry] = used
  expect(used.length <= 1, 'it was used once at most')
  if (entry === undefined) return
  expect(approval.state === 'consumed' && approval.consumedBy === entry.call, 'the row has its use')
  expect(decided[0]?.decision === 'approved', 'it was approved')
  expect(entry.agents.join() === approval.binding.agents.join(), 'the same chain used it')
}

async function toldByTheLog(tx: Tx): Promise<Map<string, Told>> {
  const { rows } = await sql<{ entry: Buffer }>`
    select entry from log_entry
    where kind in ('approval_requested', 'approval_decided', 'approval_voided', 'call_intended')
    order by index`.execute(tx)
  const told = new Map<string, Told>()
  for (const row of rows) {
    const entry = decodeEntry(row.entry)
    if (!('approval' in entry) || entry.approval === undefined) continue
    told.set(entry.approval, after(told.get(entry.approval) ?? NOTHING, entry))
  }
  return told
}

function after(told: Told, entry: Entry): Told {
  switch (entry.kind) {
    case 'approval_requested':
      return { ...told, requested: [...told.requested, entry] }
    case 'approval_decided':
      return { ...told, decided: [...told.decided, entry] }
    case 'approval_voided':
      return { ...told, voided: [...told.voided, entry] }
    case 'call_intended':
      return { ...told, used: [...told.used, entry] }
    default:
      return told
  }
}
