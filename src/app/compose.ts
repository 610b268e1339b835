/**
 * The composition root: the only place that wires rooms together. Call `compose`.
 *
 * Order matters twice: the high-water mark is checked before anything is granted, and the change feed
 * runs before revoked tokens are loaded, so that nothing falls between the two.
 */

import { join } from 'node:path'
import { checkHighWater, runCheckpointer } from '../audit/checkpoint.ts'
import { fileHighWaterMark } from '../audit/high-water-mark.ts'
import { type NoteVerifier, parseVerifierKey } from '../audit/note.ts'
import { LogWriter } from '../audit/log-writer.ts'
import { verifierKeyOf } from '../audit/note-signer.ts'
import type { TrustedKeys } from '../audit/tree-head.ts'
import { openVault } from '../audit/vault.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { must } from '../base/result.ts'
import { systemRandom } from '../base/random.ts'
import { suspendUnowned } from '../accountability/suspend-unowned.ts'
import { Admissions } from '../gateway/admit.ts'
import { Approvals } from '../gateway/approvals.ts'
import { FactsCache } from '../gateway/facts-cache.ts'
import { Recovery } from '../gateway/recover.ts'
import { ServersCache } from '../gateway/servers-cache.ts'
import { CallsUnderWay } from '../gateway/under-way.ts'
import { Allowances, type Rate } from '../identity/allowance.ts'
import { parseTrustDomain } from '../identity/spiffe-id.ts'
import { KEYRING_SUBJECT, openKeyring } from '../keys/keyring.ts'
import { loadMasterKey } from '../keys/master-key.ts'
import { noteSigner } from '../keys/note-signer.ts'
import { activateDefaults } from '../policy/activate.ts'
import { type ChangeFeed, watchChanges } from '../store/changes.ts'
import type { Store } from '../store/store.ts'
import { ProofNonces } from '../token/proof-nonces.ts'
import { tokenMemory } from '../token/token-memory.ts'
import { sealedCredentials } from '../upstream/credential.ts'
import { openUpstreams } from '../upstream/upstreams.ts'
import { AgentSockets } from './agent-sockets.ts'
import { BridgeDoor } from './bridge-door.ts'
import type { Configuration } from './configuration.ts'
import { DriftWatch } from './drift-watch.ts'
import { Housekeeping } from './housekeeping.ts'
import type { Installation } from './installation.ts'
import type { MetricsPage } from './metrics.ts'
import { openInstance } from './instance.ts'
import { openScopeModel } from './scope-model.ts'
import { servedModel, WEIGHTS } from './served-model.ts'
import { version } from './version.ts'

/** What is there before anything is wired. */
export interface Ground {
  readonly configuration: Configuration
  readonly store: Store
  readonly diagnostics: Diagnostics
  readonly metrics: MetricsPage
  /** The public origin, known once the port is. */
  readonly issuer: string
  readonly port: number
}

/** A wired installation, and how to end what runs in it. */
export interface Composed {
  readonly installation: Installation
  /** The log does not continue what was signed: nothing more is to be granted. */
  readonly logRefused: Promise<string>
  /** Ends the loops and connections, in the reverse order of their beginning. */
  close(): Promise<void>
}

/** How long a stop waits for outcomes to be recorded, after requests had their time to end. */
const DEPARTURE_MILLISECONDS = 5_000
/** Sub-delegations of one agent: each is an entry, signed, under the head of the log. */
const SUB_DELEGATIONS: Rate = { burst: 100, perSecond: 1 }
/** A cache older than this is not believed: the change feed beats once a second. */
const FRESH_MILLISECONDS = 3_000

/** Wires the installation and starts what runs beside the requests. */
export async function compose(ground: Ground): Promise<Composed> {
  const { configuration, store, diagnostics, issuer, metrics } = ground
  const clock: Clock = systemClock
  const random = systemRandom
  const { home } = configuration
  const ending = new AbortController()
  const masterKey = await loadMasterKey(join(home, 'master.key'), { random })
  const highWater = fileHighWaterMark(join(home, 'log.mark'))
  const continued = await checkHighWater({ store, highWater })
  if (!continued.ok)
    throw new Error(`the log does not continue what was signed: ${continued.error.message}`)
  // A home that is new to this database, or somebody took the mark away before restoring an older one.
  if (!continued.value.isMarked) diagnostics.warn('log.mark_missing', { home })

  const keyring = await openKeyring({ store, clock, random, masterKey })
  const vault = openVault({ random, clock })
  const logWriter = new LogWriter({ store })
  const trustDomain = must(parseTrustDomain(configuration.trustDomain))
  await activateDefaults({ store, clock, random, keyring })
  const logKey = keyring.active('log')
  const logSigner = await noteSigner(logKey, configuration.logOrigin ?? `${trustDomain}/log`)

  const memory = tokenMemory({
    store,
    clock,
    diagnostics,
    logWriter,
    exchangeBurst: configuration.exchangeBurst,
    ...(configuration.dpopNonce === 'required' && {
      proofNonces: new ProofNonces({ clock, random }),
    }),
  })
  let feed: ChangeFeed | undefined
  const isFresh = (): boolean =>
    feed !== undefined &&
    clock.nowMilliseconds() - feed.freshAsOfMilliseconds() < FRESH_MILLISECONDS
  const facts = new FactsCache({ store, clock, keyring, isFresh })
  const caughtUpTo = (): number => feed?.caughtUpTo() ?? 0
  const servers = new ServersCache({ store, keyring, isFresh, caughtUpTo })
  const workload = { store, clock, random, keyring, trustDomain, diagnostics }
  const sockets = new AgentSockets(join(home, 'agents'), workload)
  const door = new BridgeDoor(join(home, 'bridge.sock'), { ...workload, vault, issuer, sockets })
  const drift = new DriftWatch({ store, clock, keyring, diagnostics })
  const upstreams = openUpstreams({
    clock,
    diagnostics,
    nodePath: process.execPath,
    protectedPaths: [home],
    own: { issuer, ports: [ground.port] },
    client: { name: 'behalf', version },
    credential: sealedCredentials({ store, masterKey }),
    listChanged: (id) => drift.look(id),
  })
  const scopeModel = await openScopeModel(configuration, {
    clock,
    own: { issuer, ports: [ground.port] },
  })
  const instance = await openInstance(join(home, 'instance.json'), { random })
  const underWay = new CallsUnderWay({ clock, diagnostics, facts, servers })
  const approvals = new Approvals({ store, clock, random, vault, keyring, issuer })

  let keysTouched = false
  const house = new Housekeeping<'keys' | 'accountability' | 'recovery' | 'refusals'>({
    clock,
    diagnostics,
  })
  feed = await watchChanges(
    { store, clock, diagnostics },
    (touched) => {
      const subjects = new Set(touched.keys())
      facts.forget(subjects)
      memory.revokedTokens.onTouched(touched)
      if ([...subjects].some((subject) => subject.startsWith('srv_'))) servers.forget()
      underWay.touched(subjects)
      sockets.refresh(subjects, false)
      if (subjects.has(KEYRING_SUBJECT)) {
        keysTouched = true
        house.soon('keys')
      }
      door.refresh(subjects)
      if ([...subjects].some((subject) => /^(?:per|grp)_|^archetype:/.test(subject)))
        house.soon('accountability')
    },
    ending.signal,
  )
  await memory.revokedTokens.load()

  const verifierKey = await verifierKeyOf(logSigner.name, 'log', logKey.publicKey)
  const installation: Installation = {
    ...memory,
    store,
    clock,
    random,
    diagnostics,
    vault,
    keyring,
    masterKey,
    issuer,
    trustDomain,
    logSigner,
    principalModel: servedModel(WEIGHTS, { clock }),
    ...(scopeModel !== undefined && { scopeModel: scopeModel.model }),
    upstreams,
    sockets,
    door,
    feed,
    metrics,
    facts,
    servers,
    approvals,
    underWay,
    logKey: verifierKey,
    logKeys: await trustedKeys(verifierKey, configuration.witnesses),
    subDelegations: new Allowances(SUB_DELEGATIONS, { clock }),
    admissions: new Admissions({ logWriter, vault, clock }),
    refusalBudget: {
      refusals: configuration.refusalBudget,
      withinSeconds: configuration.refusalWindowSeconds,
    },
    logWriter,
    nextCall: instance.nextCall,
    info: { name: 'behalf', title: 'Behalf gateway', version },
  }
  const recovery = new Recovery(instance.names, { store, clock, underWay })
  await recovery.sweep()
  await instance.settled()
  await sockets.reopen()
  await door.open()
  house.start(
    {
      async keys() {
        await keyring.reload()
        if (keysTouched) sockets.refresh(new Set(), true)
        keysTouched = false
      },
      // A rotation changes who answers without anybody doing anything.
      accountability: () => suspendUnowned({ store, clock }),
      recovery: () => recovery.sweep(),
      refusals: () => memory.refusalRecords.flush(),
    },
    ending.signal,
  )
  drift.start(installation, ending.signal)
  const logRefused = runCheckpointer(
    { store, clock, signer: logSigner, highWater, diagnostics },
    ending.signal,
  ).then((ended) => (ended.ok ? new Promise<string>(() => undefined) : ended.error.message))
  return {
    installation,
    logRefused,
    async close() {
      // What became of calls is recorded before anything ends that it is recorded with.
      await underWay.close(DEPARTURE_MILLISECONDS)
      ending.abort()
      await house.ended()
      await memory.refusalRecords
        .flush()
        .catch((fault: unknown) => diagnostics.error('token.refusals_not_recorded', fault))
      await upstreams.close()
      scopeModel?.close()
      await door.close()
      await sockets.close()
      await installation.feed.stopped
    },
  }
}

async function trustedKeys(log: string, witnesses: string | undefined): Promise<TrustedKeys> {
  const named = witnesses === undefined ? [] : witnesses.split(',')
  return { log: await verifierOf(log), witnesses: await Promise.all(named.map(verifierOf)) }
}

async function verifierOf(vkey: string): Promise<NoteVerifier> {
  const key = await parseVerifierKey(vkey)
  if (key.ok) return key.value
  throw new Error(`\`--witnesses\`: ${key.error.message}`)
}
