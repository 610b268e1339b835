/**
 * A workload's side of SPIFFE: fetches its own SVIDs from the Workload API socket. Node only.
 *
 * Call `workloadApi` with the address in `SPIFFE_ENDPOINT_SOCKET` (SPIFFE Workload Endpoint §4).
 */

import { join } from 'node:path'
import {
  type ChannelCredentials,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import * as z from 'zod'
import type { Clock } from '../base/clock.ts'

/** An X.509-SVID with its key. */
export interface X509Svid {
  readonly spiffeId: string
  /** The chain in DER, leaf first. */
  readonly certificates: Uint8Array
  /** PKCS#8 in DER. */
  readonly privateKey: Uint8Array
  /** The trust domain's certificates in DER. */
  readonly bundle: Uint8Array
}

/** The Workload API as a workload needs it. */
export interface WorkloadApi {
  fetchX509Svid(): Promise<X509Svid>
  fetchJwtSvid(audience: string): Promise<{ spiffeId: string; svid: string }>
  close(): void
}

const x509Response = z.object({
  svids: z
    .array(
      z.object({
        spiffe_id: z.string(),
        x509_svid: z.instanceof(Buffer),
        x509_svid_key: z.instanceof(Buffer),
        bundle: z.instanceof(Buffer),
      }),
    )
    .min(1),
})
const jwtResponse = z.object({
  svids: z.array(z.object({ spiffe_id: z.string(), svid: z.string() })).min(1),
})

// SPIFFE Workload Endpoint §5.3: every request carries this, so that a tricked HTTP client cannot ask.
const SECURITY_HEADER = 'workload.spiffe.io'
const ANSWER_LIMIT = 10_000

/** Connects to a Workload API by the address in `SPIFFE_ENDPOINT_SOCKET`, e.g. `unix:///run/agent.sock`. */
export function workloadApi(endpoint: string, env: { readonly clock: Clock }): WorkloadApi {
  const definition = loadSync(join(import.meta.dirname, '../identity/workload.proto'), {
    keepCase: true,
    longs: Number,
  })
  const Service = makeGenericClientConstructor(
    definition['SpiffeWorkloadAPI'] as never,
    'SpiffeWorkloadAPI',
  )
  const client = new Service(endpoint.replace(/^unix:\/\//, 'unix:'), insecure())
  const metadata = new Metadata()
  metadata.set(SECURITY_HEADER, 'true')
  const deadline = (): { deadline: number } => ({
    deadline: env.clock.nowMilliseconds() + ANSWER_LIMIT,
  })
  return {
    async fetchX509Svid() {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      const stream = client['FetchX509SVID']?.({}, metadata, deadline())
      stream.once('data', (message: unknown) => {
        resolve(message)
        stream.cancel()
      })
      stream.on('error', (error: ServiceError) => reject(fault(error)))
      const { svids } = x509Response.parse(await promise)
      const [svid] = svids
      if (svid === undefined) throw new Error('expected an X.509-SVID, got none')
      return {
        spiffeId: svid.spiffe_id,
        certificates: svid.x509_svid,
        privateKey: svid.x509_svid_key,
        bundle: svid.bundle,
      }
    },
    async fetchJwtSvid(audience) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      client['FetchJWTSVID']?.(
        { audience: [audience] },
        metadata,
        deadline(),
        (error: ServiceError | null, answer: unknown) => {
          if (error === null) resolve(answer)
          else reject(fault(error))
        },
      )
      const { svids } = jwtResponse.parse(await promise)
      const [svid] = svids
      if (svid === undefined) throw new Error('expected a JWT-SVID, got none')
      return { spiffeId: svid.spiffe_id, svid: svid.svid }
    },
    close: () => client.close(),
  }
}

/** The socket is local and the kernel names the peer: there is nothing for TLS to add. */
function insecure(): ChannelCredentials {
  return credentials.createInsecure()
}

function fault(error: ServiceError): Error {
  return new Error(`the Workload API answered \`${error.details}\``, { cause: error })
}
