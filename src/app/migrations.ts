/** The schema of the whole product: each room's own steps. No room refers to another's tables. */

import { migrations as accountability } from '../accountability/migrations.ts'
import { migrations as approval } from '../approval/migrations.ts'
import { migrations as audit } from '../audit/migrations.ts'
import { migrations as channel } from '../channel/migrations.ts'
import { migrations as delegation } from '../delegation/migrations.ts'
import { migrations as identity } from '../identity/migrations.ts'
import { migrations as keys } from '../keys/migrations.ts'
import { migrations as people } from '../people/migrations.ts'
import { migrations as policy } from '../policy/migrations.ts'
import { migrations as registry } from '../registry/migrations.ts'
import { migrations as store } from '../store/migrations.ts'
import type { Migration } from '../store/store.ts'
import { migrations as token } from '../token/migrations.ts'

/** Every step of every room. */
export const allMigrations: readonly Migration[] = [
  ...store,
  ...audit,
  ...keys,
  ...people,
  ...accountability,
  ...identity,
  ...registry,
  ...policy,
  ...delegation,
  ...approval,
  ...token,
  ...channel,
]
