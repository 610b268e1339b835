/** The Workload API's refusals on the wire: one table from reason to gRPC code and public text. */

import { status } from '@grpc/grpc-js'

/** Why the Workload API refused a call, or could not serve it. */
export type WorkloadReason =
  | 'no_security_header'
  | 'not_attested'
  | 'unknown_agent'
  | 'agent_not_active'
  | 'wrong_spiffe_id'
  | 'bad_audience'
  | 'bad_svid'
  | 'too_many_requests'
  | 'fault'

/** What a gRPC call ends with. */
export interface WorkloadStatus {
  readonly code: status
  readonly details: string
}

/** One text for all, so that it does not tell which check failed. */
const NO_IDENTITY = { code: status.PERMISSION_DENIED, details: 'no identity issued' }

/** @see SPIFFE Workload Endpoint §6, Workload API §4.5 */
export const WORKLOAD_STATUS: Readonly<Record<WorkloadReason, WorkloadStatus>> = {
  no_security_header: {
    code: status.INVALID_ARGUMENT,
    details: 'expected the metadata `workload.spiffe.io: true`',
  },
  not_attested: NO_IDENTITY,
  unknown_agent: NO_IDENTITY,
  agent_not_active: NO_IDENTITY,
  wrong_spiffe_id: NO_IDENTITY,
  bad_audience: {
    code: status.INVALID_ARGUMENT,
    details: 'expected one to ten audiences of at most 500 characters',
  },
  bad_svid: {
    code: status.INVALID_ARGUMENT,
    details: 'expected a jwt-svid that is valid for the audience',
  },
  too_many_requests: { code: status.UNAVAILABLE, details: 'too many requests, retry later' },
  fault: { code: status.UNAVAILABLE, details: 'unavailable, retry later' },
}
