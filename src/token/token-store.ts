/** Tables `agent_key` and `revoked_token`. */

import { sql } from 'kysely'
import type { AgentId } from '../identity/agent.ts'
import type { Store, Tx } from '../store/store.ts'

/** The key of an agent: `jkt` if it had none, else the one that it proved first. */
export async function pinKey(
  tx: Tx,
  agent: AgentId,
  { jkt, now }: { readonly jkt: string; readonly now: number },
): Promise<string> {
  const { rows } = await sql<{ jkt: string }>`
    with known as (
      select jkt from agent_key where agent = ${agent}
    ), made as (
      insert into agent_key (agent, jkt, pinned_at)
      select ${agent}, ${jkt}, ${now} where not exists (select 1 from known)
      on conflict do nothing
      returning jkt
    )
    select jkt from known union all select jkt from made`.execute(tx)
  // Nothing: another transaction was first between our look and our insert, and has committed.
  return rows[0]?.jkt ?? (await pinKey(tx, agent, { jkt, now }))
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
