/**
 * The five methods of the Workload API, for the one agent that a socket serves. Every call is admitted
 * before its method runs; a stream is admitted again before each message.
 *
 * @see SPIFFE Workload API §5.2, §6.2
 */

import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import { digestOf } from '../base/bytes.ts'
import type { Diagnostics } from '../base/diagnostics.ts'
import { ok, refuse } from '../base/result.ts'
import type { Agent } from './agent.ts'
import { Allowance } from './allowance.ts'
import { HeldSvid } from './held-svid.ts'
import { type IssueEnv, issueJwtSvid } from './issue-svid.ts'
import { jwtBundle, x509Bundle } from './spiffe-bundle.ts'
import { trustDomainId } from './spiffe-id.ts'
import { validateJwtSvid } from './verify-svid.ts'
import type { Admission, AdmittedCall } from './workload-admission.ts'
import { type Answer, answering, type CallEnv, type State, streaming } from './workload-calls.ts'
import {
  type JwtBundlesResponse,
  type JwtSvidRequest,
  type JwtSvidResponse,
  structOf,
  type ValidateJwtSvidRequest,
  type ValidateJwtSvidResponse,
  type X509BundlesResponse,
  type X509SvidResponse,
} from './workload-messages.ts'

interface Env extends IssueEnv, CallEnv {
  readonly diagnostics: Diagnostics
}

/** What is served, and with what. */
interface Served {
  readonly agent: Agent
  readonly admission: Admission
  readonly held: HeldSvid
  readonly allowance: Allowance
  readonly env: Env
}

/** A stream looks again at least this often, should nobody tell it. */
const LOOK_AGAIN_MILLISECONDS = 300_000
/** JWT-SVIDs for one agent: a workload gone wild must not fill the log. */
const JWT_BURST = 100
const JWT_PER_SECOND = 10

/** The service `SpiffeWorkloadAPI` for `agent`. */
export function workloadMethods(
  { agent, admission }: { readonly agent: Agent; readonly admission: Admission },
  env: Env,
): UntypedServiceImplementation {
  const held = new HeldSvid({ id: agent.id, attested: agent.selectors }, env)
  const allowance = new Allowance(JWT_BURST, JWT_PER_SECOND, env)
  const served: Served = { agent, admission, held, allowance, env }
  return {
    FetchX509SVID: streaming(admitted(fetchX509Svid, served), env),
    FetchX509Bundles: streaming(admitted(fetchX509Bundles, served), env),
    FetchJWTBundles: streaming(admitted(fetchJwtBundles, served), env),
    FetchJWTSVID: answering(admitted(fetchJwtSvid, served), env),
    ValidateJWTSVID: answering(admitted(validateJwt, served), env),
  }
}

async function fetchX509Svid(_: AdmittedCall, served: Served): Answer<State<X509SvidResponse>> {
  const { held, env } = served
  const current = await held.current()
  if (!current.ok) return refuse({ reason: 'agent_not_active' })
  const { svid, renewAt } = current.value
  const bundle = await x509Bundle(env)
  return ok({
    message: {
      svids: [
        { spiffeId: svid.spiffeId, x509Svid: svid.svid, x509SvidKey: svid.key, bundle, hint: '' },
      ],
      crl: [],
      federatedBundles: {},
    },
    version: digestOf(Buffer.concat([svid.svid, bundle])),
    lookAgainAt: Math.min(renewAt, lookAgainAt(env)),
  })
}

async function fetchX509Bundles(
  _: AdmittedCall,
  { env }: Served,
): Answer<State<X509BundlesResponse>> {
  const bundle = await x509Bundle(env)
  const message = { crl: [], bundles: { [trustDomainId(env.trustDomain)]: bundle } }
  return ok({ message, version: digestOf(bundle), lookAgainAt: lookAgainAt(env) })
}

async function fetchJwtBundles(
  _: AdmittedCall,
  { env }: Served,
): Answer<State<JwtBundlesResponse>> {
  const bundle = Buffer.from(JSON.stringify(jwtBundle(env)))
  const message = { bundles: { [trustDomainId(env.trustDomain)]: bundle } }
  return ok({ message, version: digestOf(bundle), lookAgainAt: lookAgainAt(env) })
}

async function fetchJwtSvid(
  call: AdmittedCall & { readonly request: JwtSvidRequest },
  { agent, allowance, env }: Served,
): Answer<JwtSvidResponse> {
  const { audience, spiffeId } = call.request
  // Workload API §6.2.1: who is not authorized for the identity that it asks for gets none.
  if (spiffeId !== '' && spiffeId !== agent.spiffeId) return refuse({ reason: 'wrong_spiffe_id' })
  if (!allowance.take()) return refuse({ reason: 'too_many_requests' })
  const issued = await issueJwtSvid({ id: agent.id, attested: agent.selectors }, audience, env)
  if (!issued.ok) return issued
  return ok({ svids: [{ spiffeId: agent.spiffeId, svid: issued.value, hint: '' }] })
}

async function validateJwt(
  call: AdmittedCall & { readonly request: ValidateJwtSvidRequest },
  { env }: Served,
): Answer<ValidateJwtSvidResponse> {
  const valid = await validateJwtSvid(call.request.svid, call.request.audience, env)
  if (!valid.ok) return refuse({ reason: 'bad_svid' })
  return ok({ spiffeId: valid.value.spiffeId, claims: structOf(valid.value.claims) })
}

/** `method` behind admission. */
function admitted<Call extends AdmittedCall, T>(
  method: (call: Call, served: Served) => Answer<T>,
  served: Served,
): (call: Call) => Answer<T> {
  const { agent, admission, held, env } = served
  return async (call) => {
    const caller = await admission.admit(call)
    if (caller.ok) return await method(call, served)
    const { reason } = caller.error
    // What was issued before a suspension is not served after it.
    if (reason === 'agent_not_active') held.drop()
    env.diagnostics.warn('identity.workload_refused', { agent: agent.id, reason })
    return caller
  }
}

function lookAgainAt(env: Env): number {
  return env.clock.nowMilliseconds() + LOOK_AGAIN_MILLISECONDS
}
