/** Prepares a Postgres for a role that serves and owns nothing. Call `migrateFor` as the owner. */

import type { Diagnostics } from '../base/diagnostics.ts'
import { prepareDatabase } from '../store/open-store.ts'
import { allMigrations } from './migrations.ts'
import { PRIVILEGES } from './privileges.ts'

/** Brings the schema up to date as the role of `url`, and grants `role` what serving takes. */
export async function migrateFor(
  role: string,
  { url, diagnostics }: { readonly url: string; readonly diagnostics: Diagnostics },
): Promise<void> {
  await prepareDatabase({
    url,
    migrations: allMigrations,
    diagnostics,
    serving: { name: role, privileges: PRIVILEGES },
  })
}
