/** Scopes and the agency dial: the operations of `api/scopes.ts`. */

import { ok } from '../../base/result.ts'
import { dialOf, setAgency } from '../../delegation/agency.ts'
import { keepTemplate, removeTemplate, templatesOf } from '../../delegation/keep-template.ts'
import { refusalBudgetOf, setRefusalBudget } from '../../delegation/refusal-budget.ts'
import { templateInWords } from '../../delegation/template.ts'
import type { Handlers } from '../api-endpoint.ts'
import { proposeScopeFor } from './propose-scope.ts'
import { done } from './shared.ts'

/** Handlers by operation. */
export const scopeHandlers: Pick<
  Handlers,
  | 'proposeScope'
  | 'keepTemplate'
  | 'removeTemplate'
  | 'listTemplates'
  | 'setAgency'
  | 'showAgency'
  | 'setRefusalBudget'
  | 'showRefusalBudget'
> = {
  proposeScope: { run: proposeScopeFor },
  keepTemplate: {
    run: async (request, session, env) => done(await keepTemplate(request, session, env)),
  },
  removeTemplate: {
    run: async (request, session, env) => done(await removeTemplate(request, session, env)),
  },
  listTemplates: {
    run: async ({ archetype }, _session, env) => {
      const kept = await env.store.snapshot((tx) => templatesOf(tx, archetype))
      const templates = kept.map((one) => ({
        ...one,
        details: [...one.details],
        sentences: [...templateInWords(one)],
      }))
      return ok({ templates })
    },
  },
  setAgency: {
    run: async (request, session, env) => {
      const set = await setAgency(request, session, env)
      return set.ok ? ok({ dial: set.value }) : set
    },
  },
  showAgency: {
    run: async ({ archetype }, _session, env) =>
      ok({ dial: await env.store.snapshot((tx) => dialOf(tx, archetype)) }),
  },
  setRefusalBudget: {
    run: async (request, session, env) => await setRefusalBudget(request, session, env),
  },
  showRefusalBudget: {
    run: async ({ archetype }, _session, env) =>
      ok(await env.store.snapshot((tx) => refusalBudgetOf(tx, archetype, env.refusalBudget))),
  },
}
