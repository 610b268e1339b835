/**
 * What the log can say: the closed list of entry kinds, and the bytes of an entry.
 *
 * An entry is canonical JSON (RFC 8785) of at most 65,535 bytes (C2SP tlog-tiles). Personal or large
 * values never stand in it: they lie beside the log and the entry holds their salted digest
 * (`Sealed`), so that erasing them breaks no proof.
 *
 * `time` and the `expiresAt` of calls and approvals are milliseconds since the Unix epoch; every other
 * `expiresAt` is in seconds, as on the wire (RFC 7519 §2).
 *
 * Two members carry the *one instant* invariant, so that an auditor can check it from the log alone:
 * a change names the subjects whose state it `touches`; an intended call names the log size its facts
 * were `readAt` and the subjects it `relied` on. No entry with index in [readAt, own index) touches
 * a subject that the call relied on.
 */

import * as z from 'zod'
import { canonicalJson, type Json } from '../base/canonical-json.ts'
import {
  accountable,
  actor,
  call,
  conversed,
  digest,
  type facts,
  proposed,
  sealed,
  subject,
  text,
  type verdict,
} from './entry-members.ts'

/** Something whose state decisions depend on: `dlg_…`, `per_…`, `grp_…`, `agt_<uuid>`, `srv_…`, `con_…`, `cnv_…`, `archetype:<name>`, `pol_…`, `policy`, `jti:<token>`, `keyring`. */
export type Subject = string

const base = {
  v: z.literal(1),
  time: z.int().nonnegative(),
  by: actor,
  touches: z.array(subject).max(1_000).optional(),
}
const kind = <K extends string, S extends z.ZodRawShape>(name: K, shape: S) =>
  z.strictObject({ ...base, kind: z.literal(name), ...shape })

/** Every kind of entry. Adding one is a change to what auditors must understand. */
export const entrySchema = z.discriminatedUnion('kind', [
  kind('log_opened', { origin: z.string().max(200) }),
  kind('authority_restored', { logSize: z.int(), highWaterSize: z.int() }),
  // people
  kind('person_created', { person: subject, profile: sealed }),
  kind('person_deactivated', { person: subject, reason: text.optional() }),
  kind('person_reactivated', { person: subject }),
  kind('manager_assigned', { person: subject, manager: subject.nullable() }),
  kind('group_created', { group: subject, name: z.string().max(200) }),
  kind('group_member_added', { group: subject, person: subject }),
  kind('group_member_removed', { group: subject, person: subject }),
  kind('sign_in_code_issued', { person: subject, expiresAt: z.int() }),
  kind('signed_in', {
    person: subject,
    session: z.string(),
    method: z.string().max(40),
    expiresAt: z.int(),
  }),
  kind('session_ended', { person: subject, session: z.string() }),
  // accountability
  kind('owner_assigned', { owned: subject, owner: subject.nullable() }),
  kind('rotation_set', {
    group: subject,
    rotation: z
      .strictObject({
        members: z.array(subject).max(200),
        start: z.string().max(80),
        timeZone: z.string().max(80),
        shift: z.string().max(40),
      })
      .nullable(),
  }),
  kind('override_set', { group: subject, person: subject, from: z.int(), until: z.int() }),
  // identity and keys
  kind('key_rotated', {
    purpose: z.string().max(40),
    kid: z.string().max(80),
    retired: z.array(z.string().max(80)).max(20),
  }),
  kind('archetype_created', { archetype: subject, description: text }),
  kind('agent_created', {
    agent: subject,
    spiffeId: z.string().max(2_048),
    archetype: subject,
    parent: subject.optional(),
    selectors: z.array(z.string().max(300)).max(20),
    accountable,
  }),
  kind('agent_suspended', {
    agent: subject,
    reason: text,
    /** Who answered for it at that instant, and so is to be told. */
    accountable: accountable.optional(),
    /** What it worked under. */
    delegation: subject.optional(),
    /** The refusals that were too many, and the budget. */
    refusals: z
      .strictObject({ count: z.int(), budget: z.int(), withinSeconds: z.int() })
      .optional(),
  }),
  kind('agent_resumed', { agent: subject }),
  kind('agent_ended', { agent: subject, reason: text.optional() }),
  kind('svid_issued', {
    agent: subject,
    spiffeId: z.string().max(2_048),
    type: z.enum(['x509', 'jwt']),
    serial: z.string().max(80),
    audience: z.array(z.string().max(500)).max(10).optional(),
    expiresAt: z.int(),
    attested: z.array(z.string().max(300)).max(20),
  }),
  // delegation
  kind('template_kept', {
    archetype: subject,
    name: z.string().max(80),
    sentence: text,
    /** Digest of the template whole: what was proposed by it says the same. */
    template: digest.optional(),
  }),
  kind('template_removed', { archetype: subject, name: z.string().max(80) }),
  kind('agency_set', { archetype: subject, class: z.string().max(40), agency: z.string().max(40) }),
  kind('refusal_budget_set', { archetype: subject, refusals: z.int(), withinSeconds: z.int() }),
  kind('delegation_created', {
    delegation: subject,
    person: subject,
    delegate: z.strictObject({ archetype: z.string().max(200), agent: subject.optional() }),
    parent: subject.optional(),
    purpose: sealed,
    details: sealed,
    stages: z.array(z.string().max(80)).max(50),
    stage: z.string().max(80).nullable(),
    expiresAt: z.int(),
    proposed: proposed.optional(),
  }),
  kind('delegation_claimed', { delegation: subject, agent: subject }),
  kind('stage_moved', {
    delegation: subject,
    from: z.string().max(80).nullable(),
    to: z.string().max(80),
  }),
  kind('delegation_suspended', { delegation: subject, reason: text }),
  kind('delegation_resumed', { delegation: subject }),
  kind('delegation_completed', { delegation: subject }),
  kind('delegation_revoked', { delegation: subject, reason: text.optional() }),
  kind('connection_created', {
    connection: subject,
    client: z.string().max(80),
    agent: subject,
    delegation: subject,
  }),
  kind('connection_ended', { connection: subject, delegation: subject }),
  kind('token_issued', {
    delegation: subject,
    agent: subject,
    jti: z.string().max(80),
    audience: z.string().max(500),
    boundBy: z.enum(['dpop', 'mtls', 'none']),
    /** The thumbprint of the key (RFC 9449 §6.1): an agent's first is its only one. */
    jkt: z.string().max(80).optional(),
    expiresAt: z.int(),
  }),
  kind('token_revoked', { delegation: subject, agent: subject, jti: z.string().max(80) }),
  kind('token_refused', {
    delegation: subject.optional(),
    agent: subject.optional(),
    reason: z.string().max(80),
    /** So many others of this agent, each for a reason of its own, have no entry. */
    more: z.int().positive().optional(),
  }),
  // policy and registry
  kind('policy_proposed', {
    policy: subject,
    version: z.string().max(80),
    sets: z.record(z.string(), digest),
    tests: digest,
    summary: text,
    /** The version in force that it is to replace. */
    base: z.string().max(80).optional(),
  }),
  kind('policy_dry_run', {
    policy: subject,
    base: z.string().max(80),
    /** Digest of the report that is kept with the version. */
    report: digest,
    calls: z.int(),
    unreplayable: z.int(),
    flips: z.int(),
    loosened: z.int(),
  }),
  kind('policy_reviewed', {
    policy: subject,
    decision: z.enum(['accepted', 'refused']),
    report: digest.optional(),
    reason: text.optional(),
  }),
  kind('policy_activated', {
    version: z.string().max(80),
    sets: z.record(z.string(), digest),
    policy: subject.optional(),
    /** By what right: a second person's review, or an exception that is named. */
    mode: z.enum(['default', 'first', 'dual', 'single_operator', 'narrowing_rollback']).optional(),
    /** The author and the reviewer. */
    authorizedBy: z.array(subject).max(4).optional(),
    previous: z.string().max(80).optional(),
  }),
  kind('policy_mode_set', { mode: z.enum(['dual', 'single_operator']) }),
  kind('server_registered', { server: subject, name: z.string().max(128), transport: sealed }),
  kind('server_changed', { server: subject, transport: sealed }),
  kind('server_reviewed', {
    server: subject,
    revision: z.int(),
    definitions: z.record(z.string(), digest),
    review: sealed,
  }),
  kind('server_quarantined', {
    server: subject,
    reason: text,
    drifted: z.array(z.string().max(300)).max(1_000),
  }),
  kind('server_withdrawn', { server: subject }),
  kind('server_credential_set', { server: subject, name: z.string().max(128) }),
  // calls
  kind('call_refused', { ...call, constraint: z.string().max(40), reason: z.string().max(200) }),
  kind('call_intended', {
    ...call,
    readAt: z.int().nonnegative(),
    relied: z.array(subject).max(500),
    approval: subject.optional(),
    expiresAt: z.int(),
  }),
  kind('call_outcome', {
    call: z.string().max(80),
    intended: z.int().nonnegative(),
    delegation: subject,
    outcome: z.enum(['ok', 'tool_error', 'failed', 'timed_out', 'withheld', 'unknown']),
    result: sealed.optional(),
    segment: z.string().max(80).optional(),
    /** As a message of the conversation that the agent acts in: for the people who were permitted the call. */
    message: z
      .strictObject({
        conversation: subject,
        message: subject,
        audience: z.array(subject).min(1).max(100),
        content: sealed,
      })
      .optional(),
    warnings: z.array(text).max(20).optional(),
    milliseconds: z.number().nonnegative(),
  }),
  kind('list_served', {
    delegation: subject,
    agent: subject,
    method: z.string().max(80),
    server: subject.optional(),
    names: z.array(z.string().max(300)).max(500),
  }),
  // approvals
  kind('approval_requested', {
    approval: subject,
    call: z.string().max(80),
    delegation: subject,
    server: subject,
    action: z.string().max(300),
    definition: digest,
    argumentsDigest: digest,
    entitled: subject,
    shown: sealed,
    expiresAt: z.int(),
  }),
  kind('approval_decided', {
    approval: subject,
    delegation: subject,
    decision: z.enum(['approved', 'denied']),
    shown: digest,
  }),
  kind('approval_voided', { approval: subject, delegation: subject, reason: text }),
  // channel, administration
  kind('segment_recorded', {
    agent: subject,
    delegation: subject.optional(),
    segment: z.string().max(80),
    principal: subject,
    segmentKind: z.string().max(40),
    content: sealed,
  }),
  // conversations: what `channel/conversation/` says of an event, with its place
  kind('conversation_opened', { ...conversed, topic: sealed }),
  kind('conversation_member_added', {
    ...conversed,
    member: subject,
    role: z.enum(['guest', 'member', 'lead', 'owner']),
  }),
  kind('conversation_member_removed', { ...conversed, member: subject }),
  kind('conversation_said', {
    ...conversed,
    message: subject,
    /** The person whom an agent speaks for. */
    onBehalfOf: subject.optional(),
    spans: z
      .array(
        z.strictObject({
          kind: z.enum(['utterance', 'directive', 'quoted', 'data']),
          /** The message that a quotation repeats. */
          from: subject.optional(),
          scope: z.enum(['all', 'mine']).optional(),
        }),
      )
      .min(1)
      .max(20),
    audience: z.array(subject).min(1).max(100).optional(),
    content: sealed,
  }),
  kind('conversation_rekeyed', { ...conversed, epoch: z.int().nonnegative() }),
  kind('conversation_turn', {
    ...conversed,
    turn: subject,
    question: subject,
    through: z.enum(['channel', 'messages']),
    model: z.strictObject({ name: z.string().max(200), digest }).optional(),
    epoch: z.int().nonnegative(),
    /** Digest of what the model was told about who spoke: the list of envelopes. */
    envelopes: digest,
    segments: z.int().positive(),
    /** Whose words may direct what the agent does next. */
    directing: z.array(subject).max(100),
  }),
  kind('conversation_answered', {
    ...conversed,
    turn: subject,
    message: subject,
    admitted: z.array(subject).max(500),
    directing: z.array(subject).max(100),
    /** Everybody who may know all that the answer draws on. */
    audience: z.array(subject).max(100),
    content: sealed,
  }),
  /** Another enforcement point asked (AuthZEN); a yes reserved nothing. */
  kind('access_evaluated', {
    subjectType: z.string().max(40),
    action: z.string().max(300),
    decision: z.boolean(),
    reason: z.string().max(200).optional(),
    delegation: subject.optional(),
    server: subject.optional(),
  }),
  kind('operation_refused', { operation: z.string().max(80), reason: z.string().max(200) }),
])

/** One record of the log. */
export type Entry = z.infer<typeof entrySchema>
/** A kind of entry. */
export type EntryKind = Entry['kind']
/** An entry of one kind. */
export type EntryOf<K extends EntryKind> = Extract<Entry, { kind: K }>
/** Who did what an entry says. */
export type Actor = z.infer<typeof actor>
/** The accountable person as frozen into an entry. */
export type Accountable = z.infer<typeof accountable>
/** What one constraint said about one call. */
export type Verdict = z.infer<typeof verdict>
/** What a decision stood on, as an entry keeps it. */
export type RecordedFacts = z.infer<typeof facts>
/** A reference to a value kept beside the log. */
export type Sealed = z.infer<typeof sealed>
/** By which way a scope was proposed. */
export type Proposed = z.infer<typeof proposed>

/** The largest entry in bytes (C2SP tlog-tiles: entries carry a uint16 length). */
export const MAX_ENTRY_BYTES = 65_535

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The bytes that are hashed and kept. Throws a `ZodError` if the entry is none of ours, a `RangeError`
 * if it exceeds `MAX_ENTRY_BYTES`.
 */
export function encodeEntry(entry: Entry): Uint8Array {
  const bytes = encoder.encode(canonicalJson(entrySchema.parse(entry)))
  if (bytes.length > MAX_ENTRY_BYTES) {
    throw new RangeError(
      `expected an entry of at most ${MAX_ENTRY_BYTES} bytes, got ${bytes.length}`,
    )
  }
  return bytes
}

/**
 * The entry in `bytes`. Throws a `ZodError` if it is none of ours, a `TypeError` or `SyntaxError` if the
 * bytes are not canonical JSON: two readers would otherwise read two things (a repeated member).
 */
export function decodeEntry(bytes: Uint8Array): Entry {
  const json = decoder.decode(bytes)
  const value = JSON.parse(json) as Json
  if (canonicalJson(value) !== json) throw new TypeError('expected canonical JSON (RFC 8785)')
  return entrySchema.parse(value)
}
