import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openApiDocument } from './openapi.ts'
import type { Operation } from './operation.ts'
import { OPERATIONS } from './operations.ts'

const rows = Object.values(OPERATIONS) as readonly Operation[]

interface Described {
  readonly operationId: string
  readonly parameters: readonly {
    readonly name: string
    readonly in: string
    readonly required: boolean
  }[]
  readonly requestBody?: {
    readonly content: {
      readonly 'application/json': { readonly schema: { readonly properties: object } }
    }
  }
  readonly security: readonly object[]
}

const { paths, openapi } = openApiDocument('https://behalf.acme.example', '1.2.3') as unknown as {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>
}

test('describes every operation once, under its own id', () => {
  assert.equal(openapi, '3.1.0')
  const described = Object.values(paths).flatMap((methods) => Object.values(methods))
  assert.deepEqual(
    described.map(({ operationId }) => operationId).toSorted(),
    rows.map(({ id }) => id).toSorted(),
  )
  assert.equal(new Set(rows.map(({ method, path }) => `${method} ${path}`)).size, rows.length)
})

for (const row of rows) {
  test(`describes ${row.id}`, () => {
    const described = paths[row.path]?.[row.method.toLowerCase()]
    assert(described)
    const inPath = [...row.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    const told = described.parameters.filter((parameter) => parameter.in === 'path')
    assert.deepEqual(
      told.map(({ name }) => name),
      inPath,
    )
    assert(told.every(({ required }) => required))
    // A GET has no body; nothing else has a query.
    assert.equal(described.requestBody === undefined || row.method !== 'GET', true)
    assert.equal(
      described.parameters.some((parameter) => parameter.in === 'query') && row.method !== 'GET',
      false,
    )
    // Whoever may ask without proof is named here, so that another one is a deliberate change.
    const open = ['session.create', 'log.key'].includes(row.id)
    assert.equal(described.security.length === 0, open)
  })
}
