/** The Workload API's messages as TypeScript sees them, and the service definition that carries them. */

import { join } from 'node:path'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { Json, JsonObject } from '../base/canonical-json.ts'

/** The answer to FetchX509SVID: DER chains and PKCS#8 keys (Workload API §5.2.1). */
export interface X509SvidResponse {
  readonly svids: readonly {
    readonly spiffeId: string
    readonly x509Svid: Buffer
    readonly x509SvidKey: Buffer
    readonly bundle: Buffer
    readonly hint: string
  }[]
  readonly crl: readonly Buffer[]
  readonly federatedBundles: Readonly<Record<string, Buffer>>
}

/** The answer to FetchX509Bundles: DER certificates by trust domain (Workload API §5.2.2). */
export interface X509BundlesResponse {
  readonly crl: readonly Buffer[]
  readonly bundles: Readonly<Record<string, Buffer>>
}

/** What FetchJWTSVID is asked; an empty `spiffeId` means any (Workload API §6.2.1). */
export interface JwtSvidRequest {
  readonly audience: readonly string[]
  readonly spiffeId: string
}

/** The answer to FetchJWTSVID. */
export interface JwtSvidResponse {
  readonly svids: readonly {
    readonly spiffeId: string
    readonly svid: string
    readonly hint: string
  }[]
}

/** The answer to FetchJWTBundles: JWKS documents by trust domain (Workload API §6.2.2). */
export interface JwtBundlesResponse {
  readonly bundles: Readonly<Record<string, Buffer>>
}

/** What ValidateJWTSVID is asked (Workload API §6.2.3). */
export interface ValidateJwtSvidRequest {
  readonly audience: string
  readonly svid: string
}

/** The answer to ValidateJWTSVID. */
export interface ValidateJwtSvidResponse {
  readonly spiffeId: string
  readonly claims: Struct
}

/** `google.protobuf.Struct`. */
export interface Struct {
  readonly fields: Readonly<Record<string, Value>>
}

/** `google.protobuf.Value`. */
export type Value =
  | { readonly nullValue: 'NULL_VALUE' }
  | { readonly boolValue: boolean }
  | { readonly numberValue: number }
  | { readonly stringValue: string }
  | { readonly listValue: { readonly values: readonly Value[] } }
  | { readonly structValue: Struct }

let loaded: ServiceDefinition | undefined

/** The service `SpiffeWorkloadAPI`, read from `workload.proto` beside this file. */
export function workloadService(): ServiceDefinition {
  loaded ??= loadSync(join(import.meta.dirname, 'workload.proto'), {
    defaults: true,
    oneofs: true,
    enums: String,
  })['SpiffeWorkloadAPI'] as ServiceDefinition
  return loaded
}

/** A JSON object as protobuf spells it. */
export function structOf(value: JsonObject): Struct {
  const fields = Object.entries(value).flatMap(([name, member]) =>
    member === undefined ? [] : [[name, valueOf(member)] as const],
  )
  return { fields: Object.fromEntries(fields) }
}

function valueOf(value: Json): Value {
  switch (typeof value) {
    case 'boolean':
      return { boolValue: value }
    case 'number':
      return { numberValue: value }
    case 'string':
      return { stringValue: value }
    default:
      if (value === null) return { nullValue: 'NULL_VALUE' }
      return isList(value)
        ? { listValue: { values: value.map(valueOf) } }
        : { structValue: structOf(value) }
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
