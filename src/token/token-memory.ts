/** What the token room remembers in this process, bounded, and lost without harm when it ends. */

import type { LogWriter } from '../audit/log-writer.ts'
import type { Clock } from '../base/clock.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import type { GenuineDelegation } from '../delegation/signed-delegation.ts'
import { Allowances } from '../identity/allowance.ts'
import type { Store } from '../store/store.ts'
import type { KnownToken } from './authenticate-token.ts'
import type { ProofKey } from './dpop.ts'
import type { IssueFacts } from './issue-token.ts'
import type { ProofNonces } from './proof-nonces.ts'
import { Recent } from './recent.ts'
import { RefusalCounts } from './refusal-counts.ts'
import { RefusalRecords } from './refusal-records.ts'
import { RevokedTokens } from './revoked-tokens.ts'
import { SeenProofs } from './seen-proofs.ts'

/** Spread into the environment of this room's functions. */
export interface TokenMemory {
  readonly seenProofs: SeenProofs
  readonly proofKeys: Recent<ProofKey>
  readonly proofNonces?: ProofNonces
  readonly knownTokens: Recent<KnownToken>
  readonly knownDelegations: Recent<GenuineDelegation>
  readonly issueFacts: Recent<IssueFacts>
  readonly revokedTokens: RevokedTokens
  readonly refusalCounts: RefusalCounts
  readonly refusalRecords: RefusalRecords
  readonly exchanges: Allowances
}

/** Token exchanges of one agent with one key at once: a token for each of many servers. */
const EXCHANGE_BURST = 200

/** An empty memory. Before a token is accepted, `revokedTokens` wants the change feed and its `load`. */
export function tokenMemory(env: {
  readonly store: Store
  readonly clock: Clock
  readonly diagnostics: Diagnostics
  readonly logWriter: LogWriter
  readonly exchangeBurst?: number
  readonly proofNonces?: ProofNonces
}): TokenMemory {
  return {
    seenProofs: new SeenProofs(env),
    proofKeys: new Recent(10_000),
    ...(env.proofNonces !== undefined && { proofNonces: env.proofNonces }),
    knownTokens: new Recent(10_000),
    knownDelegations: new Recent(2_000),
    issueFacts: new Recent(10_000),
    revokedTokens: new RevokedTokens(env),
    refusalCounts: new RefusalCounts(env),
    refusalRecords: new RefusalRecords(env),
    exchanges: new Allowances({ burst: env.exchangeBurst ?? EXCHANGE_BURST, perSecond: 1 }, env),
  }
}
