/** The log and the keys: the operations of `api/log.ts`. */

import { issueReceipt } from '../../audit/issue-receipt.ts'
import { loadStory } from '../../audit/load-story.ts'
import { entriesBetween, entriesOfDelegations } from '../../audit/queries.ts'
import { printStory, tellStory } from '../../audit/story.ts'
import { openCheckpoint } from '../../audit/tree-head.ts'
import { recordCosignatures } from '../../audit/tree-store.ts'
import type { Output } from '../../api/operations.ts'
import { ok, refuse } from '../../base/result.ts'
import { listGroups, listPeople } from '../../people/people-store.ts'
import { personActor } from '../../people/session.ts'
import { listServers } from '../../registry/server-store.ts'
import type { Tx } from '../../store/store.ts'
import type { Handlers } from '../api-endpoint.ts'
import { delegationTarget } from './delegations.ts'

/** Handlers by operation. */
export const logHandlers: Pick<
  Handlers,
  'logStory' | 'logEntries' | 'logReceipt' | 'logKey' | 'logCosign' | 'rotateKey'
> = {
  logStory: {
    target: delegationTarget,
    run: async ({ id }, _session, env) => {
      const names = await env.store.snapshot(namesOf)
      const lines = tellStory(await loadStory(id, env, names))
      return ok({ lines: lines as unknown as Output<'logStory'>['lines'], text: printStory(lines) })
    },
  },
  logEntries: {
    run: async ({ from, limit, delegation }, _session, env) =>
      await env.store.snapshot(async (tx) => {
        const placed =
          delegation === undefined
            ? await entriesBetween(tx, { from, limit })
            : await entriesOfDelegations(tx, [delegation], { from, limit })
        const last = placed.at(-1)
        const entries = placed as unknown as Output<'logEntries'>['entries']
        return ok({
          entries,
          next: last !== undefined && placed.length === limit ? last.index + 1 : null,
        })
      }),
  },
  logReceipt: {
    run: async ({ index }, _session, env) => {
      const receipt = await issueReceipt(index, env)
      return receipt.ok ? ok({ receipt: receipt.value }) : receipt
    },
  },
  logKey: {
    run: async (_input, _asker, env) => ok({ origin: env.logSigner.name, vkey: env.logKey }),
  },
  logCosign: {
    run: async ({ checkpoint }, _session, env) => {
      const opened = await openCheckpoint(checkpoint, env.logKeys)
      if (!opened.ok) return opened
      if (opened.value.cosignatures.length === 0) {
        return refuse({
          reason: 'unknown_witness',
          message:
            'expected the cosignature of a witness that the server was told of (`--witnesses`)',
        })
      }
      await env.store.transaction((tx) => recordCosignatures(tx, checkpoint, env.logKeys))
      return ok({ size: opened.value.size })
    },
  },
  rotateKey: {
    run: async ({ purpose }, session, env) =>
      ok({ kid: (await env.keyring.rotate(purpose, personActor(session))).kid }),
  },
}

/** What subjects are called, for people who read a story. */
async function namesOf(tx: Tx): Promise<ReadonlyMap<string, string>> {
  const people = (await listPeople(tx)).map(({ id, name }) => [id, name] as const)
  const groups = (await listGroups(tx)).map(({ id, name }) => [id, name] as const)
  const servers = (await listServers(tx)).map(({ id, name }) => [id, name] as const)
  return new Map<string, string>([...people, ...groups, ...servers])
}
