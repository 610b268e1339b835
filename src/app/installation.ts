/** The parts of a running installation, as the routes see them. `compose.ts` makes one. */

import type { NoteSigner } from '../audit/note.ts'
import type { TrustedKeys } from '../audit/tree-head.ts'
import type { Vault } from '../audit/vault.ts'
import type { Clock } from '../base/clock.ts'
import type { Result } from '../base/result.ts'
import type { PrincipalModel } from '../channel/principal-model.ts'
import type { AskedModel } from '../delegation/asked-model.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import type { Random } from '../base/random.ts'
import type { EndpointEnv } from '../gateway/endpoint.ts'
import type { Allowances } from '../identity/allowance.ts'
import type { TrustDomain } from '../identity/spiffe-id.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { MasterKey } from '../keys/seal.ts'
import type { ChangeFeed } from '../store/changes.ts'
import type { Store } from '../store/store.ts'
import type { ExchangeEnv } from '../token/exchange.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import type { AgentSockets } from './agent-sockets.ts'
import type { BridgeDoor } from './bridge-door.ts'
import type { MetricsPage } from './metrics.ts'

/** Everything that is wired together. A part that a function needs, it names in its own `env`. */
export interface Installation extends EndpointEnv, ExchangeEnv {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly diagnostics: Diagnostics
  readonly vault: Vault
  readonly keyring: Keyring
  readonly masterKey: MasterKey
  /** The public origin. */
  readonly issuer: string
  readonly trustDomain: TrustDomain
  readonly logSigner: NoteSigner
  readonly logKey: string
  /** The log's own key and those of the witnesses that the operator named. */
  readonly logKeys: TrustedKeys
  /** The model with the principal channel, or why there is none here. */
  readonly principalModel: () => Promise<Result<PrincipalModel>>
  /** The model that proposes scopes where the rules leave something open, if one is configured. */
  readonly scopeModel?: AskedModel
  readonly upstreams: Upstreams
  readonly sockets: AgentSockets
  readonly door: BridgeDoor
  readonly feed: ChangeFeed
  /** How often one agent may hand work on. */
  readonly subDelegations: Allowances
  readonly metrics: MetricsPage
}
