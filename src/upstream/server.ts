/** What this folder must know of a registered server; the registry's own record fits. */

import type { JsonObject } from '../base/canonical-json.ts'
import type { Era } from '../mcp/era.ts'

/** A registered server as far as it is connected to. */
export interface UpstreamServer {
  readonly id: string
  readonly state: 'registered' | 'reviewed' | 'quarantined' | 'withdrawn'
  readonly revision: number
  readonly transport: UpstreamTransport
  /** Pinned at review; found out where it is not. */
  readonly era?: Era | undefined
  /** Largest answer. A call may ask for less. */
  readonly outputLimitBytes: number
  readonly timeoutMilliseconds: number
  /** The reviewed definitions, by any key. */
  readonly definitions?: ReadonlyMap<
    string,
    { readonly kind: string; readonly name: string; readonly value: JsonObject }
  >
}

/** How a server is reached. */
export type UpstreamTransport =
  | {
      readonly type: 'stdio'
      readonly command: string
      readonly args: readonly string[]
      readonly env?: Readonly<Record<string, string>> | undefined
      readonly cwd?: string | undefined
      readonly readOnly?: readonly string[] | undefined
      readonly readWrite?: readonly string[] | undefined
    }
  | {
      readonly type: 'http'
      readonly url: string
      /** The name of a sealed credential. */
      readonly credential?: string | undefined
    }
