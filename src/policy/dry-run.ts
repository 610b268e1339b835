/**
 * A dry-run on history: a proposed version over the last recorded calls, with every flip and its story.
 *
 * Call `dryRun`. Each decided call is put again, on the facts that its entry kept, to the policies in
 * force and to the candidate; where they differ, that is a flip. Calls whose arguments were erased or
 * whose facts were never kept cannot be put again: they are counted, by why, and nothing is guessed.
 * Calls that the policies in force decide otherwise than was recorded, although they are the same
 * policies, are counted too (`unfaithful`): they show what a replay cannot see. What the candidate would
 * permit beyond history is looked for by trying made-up requests (`newly-permitted.ts`).
 */

import { append } from '../audit/append.ts'
import type { Verdict } from '../audit/entry.ts'
import { lastDecidedCalls } from '../audit/queries.ts'
import type { Vault } from '../audit/vault.ts'
import { digestOfJson } from '../base/bytes.ts'
import type { JsonObject } from '../base/canonical-json.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { compilePolicies } from '../decision/compile.ts'
import { decide, type Decision } from '../decision/decide.ts'
import type { PolicySets } from '../decision/policy-set.ts'
import { replayed, type DecidedCall, type ReplayNames } from '../decision/replay.ts'
import { listGroups, listPeople } from '../people/people-store.ts'
import { personActor, type Session } from '../people/session.ts'
import type { Tx } from '../store/store.ts'
import { isPropertyFile, lostProperties, type PropertyTried } from './counterexample.ts'
import { currentPoliciesIn, currentSources } from './current.ts'
import { loadVersion, type LoadedVersion } from './load-version.ts'
import type { NewlyPermitted } from './newly-permitted.ts'
import { insertDryRun } from './policy-store.ts'
import type { PolicyEnv, PolicyRefusal } from './propose.ts'
import { onThread, type Tried } from './trial.ts'
import type { PolicyId } from './version.ts'
import { widening } from './widening.ts'

/** What a dry-run found. */
export interface DryRunReport {
  readonly policy: PolicyId
  /** The version that was in force: what the candidate is compared with. */
  readonly base: string
  readonly candidate: string
  /** How many decided calls were looked at, the latest ones. */
  readonly calls: number
  readonly replayed: number
  readonly unreplayable: Readonly<Record<string, number>>
  /** Decided otherwise by the very policies that decided them. */
  readonly unfaithful: number
  readonly flips: number
  /** Flips to a permit. */
  readonly loosened: number
  /** The flips, at most `MOST_FLIPS`, those to a permit first. */
  readonly stories: readonly Flip[]
  /** In which ways the candidate might permit more, whatever history shows. */
  readonly widening: readonly string[]
  /** Requests that only the candidate permits, found by trying: at most one for each of these ways. */
  readonly newlyPermitted: readonly NewlyPermitted[]
  /** How many requests were tried to find them. */
  readonly tried: number
  /** How far its properties were tried: all calls that there are, or a sample of them. */
  readonly properties: readonly PropertyTried[]
}

/** One call that would be decided otherwise. */
export interface Flip {
  readonly index: number
  readonly call: string
  readonly time: number
  readonly delegation: string
  readonly person: string
  readonly agent: string
  readonly action: string
  readonly was: Decision['outcome']
  readonly now: Decision['outcome']
  /** One sentence: who asked for what, and which policies say what of it. */
  readonly story: string
}

/** What a dry-run needs beside policies. */
export interface DryRunEnv extends PolicyEnv {
  readonly vault: Vault
  readonly diagnostics: Diagnostics
}

const DEFAULT_CALLS = 1_000
const MOST_CALLS = 10_000
const MOST_FLIPS = 200

/** Replays the last `calls` decided calls, keeps the report with the version, and records that. */
export async function dryRun(
  { policy, calls = DEFAULT_CALLS }: { readonly policy: string; readonly calls?: number },
  session: Session,
  env: DryRunEnv,
): Promise<Result<{ readonly digest: string; readonly report: DryRunReport }, PolicyRefusal>> {
  const sought = await seek(policy, env)
  if (!sought.ok) return sought
  // Read on a snapshot that locks nothing; what it was compared with is checked at activation.
  const tried = await env.store.snapshot((tx) =>
    tryOn(tx, sought.value, Math.min(calls, MOST_CALLS), env),
  )
  if (!tried.ok) return tried
  const report = tried.value
  const json = JSON.parse(JSON.stringify(report)) as JsonObject
  const digest = digestOfJson(json)
  await env.store.transaction(async (tx) => {
    const at = env.clock.nowMilliseconds()
    const base = report.base as `sha256:${string}`
    await insertDryRun(tx, report.policy, { digest, base, report: json }, at)
    await append(tx, [
      {
        v: 1,
        kind: 'policy_dry_run',
        time: at,
        by: personActor(session),
        policy: report.policy,
        base: report.base,
        report: digest,
        calls: report.calls,
        unreplayable: report.calls - report.replayed,
        flips: report.flips,
        loosened: report.loosened,
      },
    ])
  })
  return ok({ digest, report })
}

/** A version, and what was found by trying it against what is in force. */
interface Sought extends Tried {
  readonly loaded: LoadedVersion
  readonly base: string
}

/** Looks beyond history, with no transaction open: it takes seconds. */
async function seek(policy: string, env: DryRunEnv): Promise<Result<Sought, PolicyRefusal>> {
  const { loaded, now } = await env.store.snapshot(async (tx) => ({
    loaded: await loadVersion(tx, policy, env),
    now: await currentSources(tx, env),
  }))
  if (loaded === undefined) return refuse({ reason: 'unknown_policy' })
  const { sources, version } = loaded
  const files = Object.entries(version.tests).filter(([file]) => isPropertyFile(file))
  const tests = Object.fromEntries(files)
  // Compiled here, so that what does not compile is refused and no fault of the thread.
  const after = compilePolicies(sources)
  if (!after.ok) return after
  const tried = await onThread({ sources, tests, before: now.sets })
  if (!tried.ok) return tried
  return ok({ ...tried.value, loaded, base: now.version })
}

async function tryOn(
  tx: Tx,
  { loaded, base, difference, properties }: Sought,
  calls: number,
  env: DryRunEnv,
): Promise<Result<DryRunReport, PolicyRefusal>> {
  const [before, after] = [await currentPoliciesIn(tx, env), compilePolicies(loaded.sources)]
  if (!after.ok) return after
  if (before.version !== base) {
    const message = 'other policies came in force meanwhile: propose this version again'
    return refuse({ reason: 'base_changed', message })
  }
  const entries = await lastDecidedCalls(tx, calls)
  const names = await namesIn(tx)
  const counted = new Counts(before, after.value, env)
  // Arguments may be large: a few hundred at a time.
  for (let at = 0; at < entries.length; at += BATCH) {
    const batch = entries.slice(at, at + BATCH)
    const sealed = batch.flatMap(({ entry }) => entry.arguments ?? [])
    const values = await env.vault.openMany(tx, sealed)
    for (const { index, entry } of batch) {
      const value = entry.arguments === undefined ? {} : values.get(entry.arguments.sealed)
      counted.add(index, entry, value as JsonObject | undefined, names)
    }
  }
  return ok({
    policy: loaded.version.id,
    base: before.version,
    candidate: after.value.version,
    calls: entries.length,
    ...counted.report(),
    widening: [
      ...widening(before, after.value),
      ...lostProperties((await currentSources(tx, env)).tests, loaded.version.tests),
    ],
    newlyPermitted: difference.found,
    tried: difference.tried,
    properties,
  })
}

const BATCH = 200

/** Puts each call to both and counts. */
class Counts {
  readonly #before: PolicySets
  readonly #after: PolicySets
  readonly #env: { readonly diagnostics: Diagnostics }
  readonly #unreplayable: Record<string, number> = {}
  readonly #flips: Flip[] = []
  #replayed = 0
  #unfaithful = 0

  constructor(before: PolicySets, after: PolicySets, env: { readonly diagnostics: Diagnostics }) {
    this.#before = before
    this.#after = after
    this.#env = env
  }

  add(index: number, entry: DecidedCall, args: JsonObject | undefined, names: ReplayNames): void {
    const request = replayed(entry, args, names)
    if (!request.ok) {
      const { reason } = request.error
      this.#unreplayable[reason] = (this.#unreplayable[reason] ?? 0) + 1
      return
    }
    this.#replayed++
    const was = decide(request.value, this.#before, this.#env)
    const now = decide(request.value, this.#after, this.#env)
    if (decidedBy(entry, this.#before) && recordedOutcome(entry) !== was.outcome) this.#unfaithful++
    if (was.outcome !== now.outcome) {
      this.#flips.push(flipOf(index, entry, { was, now, names }))
    }
  }

  report(): Pick<
    DryRunReport,
    'replayed' | 'unreplayable' | 'unfaithful' | 'flips' | 'loosened' | 'stories'
  > {
    const looser = this.#flips.filter(({ now }) => now === 'permit')
    const others = this.#flips.filter(({ now }) => now !== 'permit')
    return {
      replayed: this.#replayed,
      unreplayable: this.#unreplayable,
      unfaithful: this.#unfaithful,
      flips: this.#flips.length,
      loosened: looser.length,
      stories: [...looser, ...others].slice(0, MOST_FLIPS),
    }
  }
}

/** Whether these very policies decided the call. */
function decidedBy(entry: DecidedCall, policies: PolicySets): boolean {
  return entry.verdicts.every(({ constraint, version }) => policies[constraint].version === version)
}

/** What the recorded verdicts come to, in the order of `decide.ts`. */
function recordedOutcome({ verdicts }: DecidedCall): Decision['outcome'] {
  const effects = new Set(verdicts.map(({ effect }) => effect))
  return (
    (['deny', 'step_up', 'approval_required'] as const).find((effect) => effects.has(effect)) ??
    'permit'
  )
}

function flipOf(
  index: number,
  entry: DecidedCall,
  { was, now, names }: { was: Decision; now: Decision; names: ReplayNames },
): Flip {
  const { call, time, delegation, person, agents, action } = entry
  const who = `${entry.facts?.archetypes[0] ?? 'an agent'} for ${names.handles.get(person) ?? person}`
  const what = `${entry.serverName ?? 'a server'} ${action}`
  return {
    index,
    call,
    time,
    delegation,
    person,
    agent: agents[0] ?? '',
    action,
    was: was.outcome,
    now: now.outcome,
    story: `${who}, ${what}: ${said(was)} now, ${said(now)} then`,
  }
}

function said({ outcome, constraint, verdicts }: Decision): string {
  const verdict = verdicts.find(
    (one) => one.effect === outcome && (constraint === undefined || one.constraint === constraint),
  )
  const by = constraint === undefined ? '' : ` by ${constraint}`
  return `${WORDS[outcome]}${by}${because(verdict)}`
}

function because(verdict: Verdict | undefined): string {
  const policies = verdict?.policies ?? []
  return policies.length === 0 ? '' : ` (${policies.slice(0, 3).join(', ')})`
}

const WORDS: Readonly<Record<Decision['outcome'], string>> = {
  permit: 'permitted',
  deny: 'denied',
  step_up: 'step-up wanted',
  approval_required: 'approval wanted',
}

async function namesIn(tx: Tx): Promise<ReplayNames> {
  const [people, groups] = [await listPeople(tx), await listGroups(tx)]
  return {
    handles: new Map(people.map(({ id, handle }) => [id, handle])),
    groups: new Map(groups.map(({ id, name }) => [id, name])),
  }
}
