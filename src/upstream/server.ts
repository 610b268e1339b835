/** What this folder must know of a registered server. */

import type { Era } from '../mcp/era.ts'
import type { Registration, Server, Transport } from '../registry/server.ts'

/** A registration, or a server with its reviewed definitions: both can be connected to, only one called. */
export type UpstreamServer = Pick<
  Registration,
  'id' | 'state' | 'revision' | 'transport' | 'timeoutMilliseconds' | 'outputLimitBytes'
> & {
  readonly definitions?: Server['definitions']
  /** Where it is known; found out where it is not. */
  readonly era?: Era
}

/** A server that we start. */
export type StdioTransport = Extract<Transport, { type: 'stdio' }>
/** A server that somebody else runs. */
export type HttpTransport = Extract<Transport, { type: 'http' }>
