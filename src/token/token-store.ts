/** Tables `agent_key` and `revoked_token`. */

import { sql } from 'kysely'
import type { AgentId } from '../identity/agent.ts'
import type { Store, Tx } from '../store/store.ts'

/** The thumbprint of the key that the agent proved first; undefined if it proved none yet. */
export async function pinnedKey(tx: Tx, agent: AgentId): Promise<string | undefined> {
  const { rows } = await sql<{ jkt: string }>`
    select jkt from agent_key where agent = ${agent}`.execute(tx)
  return rows[0]?.jkt
}

/** Pins the agent's first key; `false` if it has one. */
export async function pinKey(
  tx: Tx,
  agent: AgentId,
  { jkt, now }: { readonly jkt: string; readonly now: number },
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into agent_key (agent, jkt, pinned_at) values (${agent}, ${jkt}, ${now})
    on conflict do nothing`.execute(tx)
  return numAffectedRows === 1n
}

/** Keeps a token's revocation until it expires; `false` if it was revoked before. */
export async function insertRevoked(
  tx: Tx,
  token: { readonly jti: string; readonly expiresAt: number },
  nowSeconds: number,
): Promise<boolean> {
  await sql`delete from revoked_token where expires_at < ${nowSeconds}`.execute(tx)
  const { numAffectedRows } = await sql`
    insert into revoked_token (jti, expires_at) values (${token.jti}, ${token.expiresAt})
    on conflict do nothing`.execute(tx)
  return numAffectedRows === 1n
}

/** The revoked tokens that have not expired; `expiresAt` in seconds. */
export async function loadRevoked(
  db: Store['db'],
  nowSeconds: number,
): Promise<{ jti: string; expiresAt: number }[]> {
  const { rows } = await sql<{ jti: string; expiresAt: number }>`
    select jti, expires_at as "expiresAt" from revoked_token
    where expires_at >= ${nowSeconds}`.execute(db)
  return rows
}
