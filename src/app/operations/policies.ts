/** Policies: the operations of `api/policies.ts`. */

import type { Output } from '../../api/operations.ts'
import { ok, refuse, type Result } from '../../base/result.ts'
import type { PolicySources } from '../../decision/compile.ts'
import { SET_NAMES } from '../../decision/policy-set.ts'
import { activate, activateAlone, rollBack } from '../../policy/activate.ts'
import { operatorMode } from '../../policy/authority.ts'
import { currentSources } from '../../policy/current.ts'
import { dryRun, type DryRunReport } from '../../policy/dry-run.ts'
import { loadVersion } from '../../policy/load-version.ts'
import { listActivations, listVersions } from '../../policy/policy-store.ts'
import { propose } from '../../policy/propose.ts'
import { review } from '../../policy/review.ts'
import { setMode } from '../../policy/single-operator.ts'
import { verify } from '../../policy/signed-version.ts'
import { reach, simulate } from '../../policy/simulate.ts'
import type { PolicyVersion } from '../../policy/version.ts'
import type { Handlers } from '../api-endpoint.ts'
import { done } from './shared.ts'

/** How much of the history is shown. */
const MOST_VERSIONS = 200

/** Handlers by operation. */
export const policyHandlers: Pick<
  Handlers,
  | 'showPolicies'
  | 'proposePolicies'
  | 'listPolicyVersions'
  | 'showPolicyVersion'
  | 'dryRunPolicies'
  | 'reviewPolicies'
  | 'activatePolicies'
  | 'rollBackPolicies'
  | 'setPolicyMode'
  | 'simulatePolicies'
  | 'reachPolicies'
> = {
  showPolicies: {
    run: async (_input, _session, env) => {
      const now = await env.store.snapshot((tx) => currentSources(tx, env))
      return ok({ ...now, sets: { ...now.sets }, tests: { ...now.tests } })
    },
  },
  proposePolicies: {
    run: async ({ sets, tests, summary, base }, session, env) => {
      const known = onlySets(sets)
      if (!known.ok) return known
      const proposal = {
        sets: known.value,
        summary,
        ...(tests !== undefined && { tests }),
        ...(base !== undefined && { base }),
      }
      const proposed = await propose(proposal, session, env)
      return proposed.ok ? ok(described(proposed.value)) : proposed
    },
  },
  listPolicyVersions: {
    run: async (_input, _session, env) =>
      await env.store.snapshot(async (tx) => {
        const { policy } = await currentSources(tx, env)
        const activations = await listActivations(tx, MOST_VERSIONS)
        return ok({
          inForce: policy,
          mode: await operatorMode(tx, env),
          versions: (await listVersions(tx, MOST_VERSIONS)).map(({ version }) =>
            described(version),
          ),
          activations: activations.flatMap(({ policy: id, activatedAt, signed }) => {
            const claims = verify('policy-activation+jwt', signed, env)
            // Signed by a key that is forgotten by now: the log still says it.
            if (!claims.ok) return []
            const { sub: by, mode, authorized_by: authorizedBy } = claims.value
            return [{ policy: id, activatedAt, by, mode, authorizedBy }]
          }),
        })
      }),
  },
  showPolicyVersion: {
    run: async ({ id }, _session, env) =>
      await env.store.snapshot(async (tx) => {
        const loaded = await loadVersion(tx, id, env)
        if (loaded === undefined) return refuse({ reason: 'unknown_policy' })
        const { version, sources, dryRun: tried, review: reviewed } = loaded
        return ok({
          ...described(version),
          sets: { ...sources },
          tests: { ...version.tests },
          ...(tried !== undefined && {
            dryRun: { digest: tried.digest, report: tried.report as never },
          }),
          ...(reviewed !== undefined && {
            review: { reviewer: reviewed.sub, decision: reviewed.decision },
          }),
        })
      }),
  },
  dryRunPolicies: {
    run: async ({ id, calls }, session, env) => {
      const tried = await dryRun(
        { policy: id, ...(calls !== undefined && { calls }) },
        session,
        env,
      )
      if (!tried.ok) return tried
      return ok({ digest: tried.value.digest, report: reported(tried.value.report) })
    },
  },
  reviewPolicies: {
    run: async ({ id, decision, report, reason }, session, env) =>
      done(
        await review(
          {
            policy: id,
            decision,
            ...(report !== undefined && { report }),
            ...(reason !== undefined && { reason }),
          },
          session,
          env,
        ),
      ),
  },
  activatePolicies: {
    run: async ({ policy, sets = {}, tests, summary = 'activated at once' }, session, env) => {
      const known = onlySets(sets)
      if (!known.ok) return known
      const proposal = { sets: known.value, summary, ...(tests !== undefined && { tests }) }
      const activated =
        policy === undefined
          ? await activateAlone(proposal, session, env)
          : await activate({ policy }, session, env)
      return activated.ok ? ok({ version: activated.value.version }) : activated
    },
  },
  rollBackPolicies: {
    run: async ({ id }, session, env) => {
      const back = await rollBack({ policy: id }, session, env)
      if (!back.ok) return back
      const { state, version } = back.value
      const because = back.value.state === 'proposed' ? [...back.value.because] : []
      return ok({ state, policy: described(version), because })
    },
  },
  setPolicyMode: {
    run: async ({ mode }, session, env) => done(await setMode({ mode }, session, env)),
  },
  simulatePolicies: {
    run: async ({ archetype, person, delegation, policy }, _session, env) => {
      const asked = {
        archetype,
        person,
        ...(delegation !== undefined && { delegation }),
        ...(policy !== undefined && { policy }),
      }
      const found = await simulate(asked, env)
      if (!found.ok) return found
      return ok({ tools: found.value.map((one) => ({ ...one, policies: [...one.policies] })) })
    },
  },
  reachPolicies: {
    run: async ({ server, tool, policy }, _session, env) => {
      const found = await reach({ server, tool, ...(policy !== undefined && { policy }) }, env)
      return found.ok ? ok({ ...found.value, ways: [...found.value.ways] }) : found
    },
  },
}

function onlySets(
  sets: Readonly<Record<string, string>>,
): Result<Partial<PolicySources>, { reason: string; message: string }> {
  const unknown = Object.keys(sets).find((name) => !SET_NAMES.some((set) => set === name))
  if (unknown === undefined) return ok(sets)
  return refuse({
    reason: 'invalid_policies',
    message: `expected one of ${SET_NAMES.join(', ')}, got \`${unknown}\``,
  })
}

function described(version: PolicyVersion): Output<'proposePolicies'> {
  const { id, author, summary, base, createdAt } = version
  return {
    id,
    version: version.version,
    author,
    summary,
    createdAt,
    ...(base !== undefined && { base }),
  }
}

function reported(report: DryRunReport): Output<'dryRunPolicies'>['report'] {
  return {
    ...report,
    unreplayable: { ...report.unreplayable },
    stories: report.stories.map((flip) => ({ ...flip })),
    widening: [...report.widening],
    properties: report.properties.map((one) => ({ ...one })),
    newlyPermitted: report.newlyPermitted.map(({ because, sentence, test }) => ({
      because,
      sentence,
      // Plain data, made by ourselves.
      test: structuredClone(test) as never,
    })),
  }
}
