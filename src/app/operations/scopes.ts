/** Scopes and the agency dial: the operations of `api/scopes.ts`. */

import { ok, refuse } from '../../base/result.ts'
import { dialOf, setAgency } from '../../delegation/agency.ts'
import { proposeScope, type ScopeTool } from '../../delegation/propose-scope.ts'
import { refusalBudgetOf, setRefusalBudget } from '../../delegation/refusal-budget.ts'
import { keepTemplate, removeTemplate, templatesOf } from '../../delegation/keep-template.ts'
import { fillTemplate, templateInWords } from '../../delegation/template.ts'
import { offeredTools } from '../../registry/propose-review.ts'
import { reviewedServers } from '../../registry/server-store.ts'
import { serverResource } from '../../token/resource.ts'
import type { Handlers } from '../api-endpoint.ts'
import { done, findParty, resolveAll } from './shared.ts'

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
  proposeScope: {
    run: async ({ words, servers, approver, archetype }, session, env) => {
      const parties = await resolveAll(
        [approver ?? session.person],
        env,
        findParty,
        'unknown_party',
      )
      if (!parties.ok) return parties
      const [party = session.person] = parties.value
      const reviewed = await env.store.snapshot((tx) => reviewedServers(tx, env))
      const missing = servers.find(
        (name) => !reviewed.some((server) => server.name === name || server.id === name),
      )
      if (missing !== undefined)
        return refuse({ reason: 'unknown_server', message: `no reviewed server \`${missing}\`` })
      const tools = reviewed
        .filter(({ name, id }) => servers.includes(name) || servers.includes(id))
        .flatMap((server) =>
          offeredTools(server).flatMap((offered): ScopeTool[] => {
            const tool = server.tools.get(offered.name)
            const location = serverResource(env.issuer, server.name)
            return tool === undefined ? [] : [{ location, offered, reviewed: tool }]
          }),
        )
      const kept =
        archetype === undefined ? [] : await env.store.snapshot((tx) => templatesOf(tx, archetype))
      const [filled] = kept.flatMap(({ name, ...one }) => {
        const template = fillTemplate(one, words)
        return template === undefined ? [] : [{ name, template }]
      })
      const { details, sentences, digest } = proposeScope({
        words,
        tools,
        approver: party,
        ...(filled !== undefined && { template: filled.template }),
      })
      return ok({
        details: [...details],
        sentences: [...sentences],
        digest,
        ...(filled !== undefined && { template: filled.name }),
      })
    },
  },
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
