import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testKeyring } from '../keys/testing.ts'
import {
  authorizationServerMetadata,
  jwks,
  protectedResourceMetadata,
  resourceMetadataUrl,
} from './metadata.ts'

const issuer = 'https://behalf.example'
const methods = ['spiffe_jwt']

test('authorization server metadata', () => {
  assert.deepEqual(authorizationServerMetadata({ issuer }), {
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: ['ES256'],
    introspection_endpoint: `${issuer}/oauth/introspect`,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: ['ES256'],
    revocation_endpoint: `${issuer}/oauth/revoke`,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: ['ES256'],
    jwks_uri: `${issuer}/oauth/jwks`,
    response_types_supported: [],
    grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange'],
    scopes_supported: ['mcp'],
    dpop_signing_alg_values_supported: ['ES256'],
    authorization_details_types_supported: ['mcp_call'],
    protected_resources: [`${issuer}/mcp`, `${issuer}/api/v1`],
  })
})

test('protected resource metadata', () => {
  assert.deepEqual(protectedResourceMetadata(`${issuer}/mcp/documents`, { issuer }), {
    resource: `${issuer}/mcp/documents`,
    authorization_servers: [issuer],
    scopes_supported: ['mcp'],
    bearer_methods_supported: ['header'],
    authorization_details_types_supported: ['mcp_call'],
    dpop_signing_alg_values_supported: ['ES256'],
    dpop_bound_access_tokens_required: true,
  })
})

for (const [resource, want] of [
  ['https://behalf.example/mcp', 'https://behalf.example/.well-known/oauth-protected-resource/mcp'],
  [
    'https://behalf.example/mcp/a',
    'https://behalf.example/.well-known/oauth-protected-resource/mcp/a',
  ],
  ['http://127.0.0.1:8787/mcp', 'http://127.0.0.1:8787/.well-known/oauth-protected-resource/mcp'],
  ['https://behalf.example', 'https://behalf.example/.well-known/oauth-protected-resource'],
] as const) {
  test(`where the metadata of ${resource} lies`, () =>
    assert.equal(resourceMetadataUrl(resource), want))
}

test('the key set has the issuer’s keys, all that sign or signed, and public parts only', async () => {
  const keyring = testKeyring()
  const before = keyring.active('issuer').kid
  await keyring.rotate('issuer')
  const { keys } = jwks({ keyring })
  assert.equal(keys.length, 3)
  assert.ok(keys.some(({ kid }) => kid === before))
  for (const key of keys) {
    assert.deepEqual(Object.keys(key).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  }
  const others: unknown[] = [keyring.active('svid_ca').kid, keyring.active('svid_jwt').kid]
  assert.equal(
    keys.some(({ kid }) => others.includes(kid)),
    false,
  )
})
