/** A keyring in memory, for the tests of every room. */

import { type Clock, systemClock } from '../base/clock.ts'
import { firstKeys, KeySchedule, rotation } from './key-schedule.ts'
import type { Keyring } from './keyring.ts'
import { PURPOSES } from './signing-key.ts'

/** Fresh keys for every purpose; nothing is kept or recorded. */
export function testKeyring(env: { readonly clock: Clock } = { clock: systemClock }): Keyring {
  const now = env.clock.nowMilliseconds()
  let keys = new KeySchedule(
    PURPOSES.flatMap((purpose) => firstKeys(purpose, now)),
    env.clock,
  )
  return {
    active: (purpose) => keys.active(purpose),
    published: (purpose) => keys.published(purpose),
    find: (purpose, kid) => keys.find(purpose, kid),
    reload: async () => {},
    rotate: async (purpose) => {
      const { retired, promoted, next } = rotation(keys.all(), purpose, env.clock.nowMilliseconds())
      keys = keys.with(retired, promoted, next)
      return promoted.key
    },
    certify: async (kid, certificate) => {
      const held = [...keys.all()].find(({ key }) => key.kid === kid)
      if (held === undefined) throw new Error(`expected a key \`${kid}\``)
      const key = { ...held.key, certificate: held.key.certificate ?? certificate }
      keys = keys.with({ ...held, key })
      return key
    },
  }
}
