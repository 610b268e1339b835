/**
 * What the server may do to each table: the grants of the role that it serves with. What is not here it
 * cannot do, whatever statement it is brought to send. `insert` without `update` and `delete` is a table
 * whose rows never change; columns in brackets are the only ones that ever do.
 */

import type { Privileges } from '../store/serving-role.ts'

/** Every table of every room but `migration`, which is the owner's. */
export const PRIVILEGES: Privileges = {
  // The log. INVARIANT (append only): entries are added, and nothing else.
  log_head: 'select, update (size)',
  touched: 'select, insert, update (version)',
  log_entry: 'select, insert',
  log_tile: 'select, insert, update (hashes)',
  log_checkpoint: 'select, insert, update (cosignatures), delete',
  vault_value: 'select, insert, update (salt, value, erased_at)',

  signing_key: 'select, insert, update, delete',

  // People. A handle is never another's; a group's row is locked, which needs a column to update.
  person: 'select, insert, update (active, manager)',
  group: 'select, insert, update (created_at)',
  group_member: 'select, insert, delete',
  sign_in_code: 'select, insert, update (tries_left), delete',
  session: 'select, insert, delete',

  owner: 'select, insert, update (owner), delete',
  rotation: 'select, insert, delete',
  duty_override: 'select, insert, delete',

  archetype: 'select, insert',
  agent: 'select, insert, update (state, suspended_for)',
  spiffe_bundle: 'select, insert, update (sequence, digest)',

  // How a server is reached may be replaced; what was reviewed is signed, and asks for another review.
  server:
    'select, insert, update (state, reason, revision, transport, timeout_ms, output_limit_bytes)',
  server_observation: 'select, insert, update (definitions, observed_at), delete',
  server_review: 'select, insert',
  upstream_credential: 'select, insert, update (sealed, set_at), delete',

  policy_text: 'select, insert',
  policy_in_force: 'select, update (version, sets, policy, activation, mode)',
  // Signed anew before the key that signed it is forgotten.
  policy_version: 'select, insert, update (signed)',
  policy_dry_run: 'select, insert',
  policy_review: 'select, insert',
  policy_activation: 'select, insert',

  // INVARIANT (narrowing): what was delegated stays as it was signed.
  delegation: 'select, insert, update (agent, stage, state, suspended_by)',
  delegation_usage: 'select, insert, update (used)',
  connection: 'select, insert, update (ended_at)',
  agency: 'select, insert, update (agency)',
  scope_template: 'select, insert, update (sentence, details, parameters), delete',
  refusal_budget: 'select, insert, update (refusals, within_seconds)',
  agent_refusal: 'select, insert, delete',

  // INVARIANT (approval binding): what is asked about, and who may answer, is fixed.
  approval: 'select, insert, update (state, decided_by, signed, consumed_by)',

  // An agent's first key is its only one.
  agent_key: 'select, insert',
  revoked_token: 'select, insert, delete',

  // INVARIANT (immutable author)
  segment: 'select, insert',
  conversation: 'select, insert',
  conversation_event: 'select, insert',
  conversation_key: 'select, insert',
}
