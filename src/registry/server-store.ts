/** Tables `server`, `server_observation` and `server_review`. */

import type { SelectQueryBuilder } from 'kysely'
import * as z from 'zod'
import { digestOfJson } from '../base/bytes.ts'
import type { Json, JsonObject } from '../base/canonical-json.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Tx } from '../store/store.ts'
import type { RegistryTables, ServerTable } from './migrations.ts'
import {
  definitionKey,
  serverIdSchema,
  transportSchema,
  type Definition,
  type Registration,
  type ReviewedTool,
  type Server,
  type ServerId,
  type ServerState,
} from './server.ts'
import { verifyReview, type ReviewClaims } from './signed-review.ts'

// prettier-ignore
const COLUMNS = [
  'id', 'name', 'title', 'state', 'reason', 'transport', 'revision', 'person_rights', 'timeout_ms',
  'output_limit_bytes',
] as const

type Row = Omit<ServerTable, 'created_at'>

/** Adds a server; `false` if the name was ever taken. */
export async function insertServer(
  tx: Tx,
  server: Registration,
  createdAt: number,
): Promise<boolean> {
  const added = await tx
    .withTables<RegistryTables>()
    .insertInto('server')
    .values({
      id: server.id,
      name: server.name,
      title: server.title,
      state: server.state,
      reason: null,
      transport: JSON.stringify(server.transport) as unknown as ServerTable['transport'],
      revision: server.revision,
      person_rights: server.personRights,
      timeout_ms: server.timeoutMilliseconds,
      output_limit_bytes: server.outputLimitBytes,
      created_at: createdAt,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirst()
  return added.numInsertedOrUpdatedRows === 1n
}

/** The server by name or identifier, whatever its state. It says nothing of what was reviewed. */
export async function findServer(tx: Tx, nameOrId: string): Promise<Registration | undefined> {
  return one(await selectServer(tx, nameOrId).executeTakeFirst())
}

/** The server, which nobody else can change until the transaction ends. */
export async function lockServer(tx: Tx, nameOrId: string): Promise<Registration | undefined> {
  return one(await selectServer(tx, nameOrId).forUpdate().executeTakeFirst())
}

/** Every server, by name. */
export async function listServers(tx: Tx): Promise<Registration[]> {
  const rows = await tx
    .withTables<RegistryTables>()
    .selectFrom('server')
    .select(COLUMNS)
    .orderBy('name')
    .execute()
  return rows.map(registrationFrom)
}

/** Sets the state and, for a quarantine, why. */
export async function updateState(
  tx: Tx,
  id: ServerId,
  state: ServerState,
  reason?: string,
): Promise<void> {
  await tx
    .withTables<RegistryTables>()
    .updateTable('server')
    .set({ state, reason: reason ?? null })
    .where('id', '=', id)
    .execute()
}

/** Keeps how a server is reached now, and forgets what was observed of it as it was. */
export async function replaceRegistration(tx: Tx, server: Registration): Promise<void> {
  const db = tx.withTables<RegistryTables>()
  await db
    .updateTable('server')
    .set({
      state: server.state,
      reason: null,
      transport: JSON.stringify(server.transport) as unknown as ServerTable['transport'],
      timeout_ms: server.timeoutMilliseconds,
      output_limit_bytes: server.outputLimitBytes,
    })
    .where('id', '=', server.id)
    .execute()
  await db.deleteFrom('server_observation').where('server', '=', server.id).execute()
}

/** Keeps what a server offered, instead of what it offered before. */
export async function putObservation(
  tx: Tx,
  server: ServerId,
  definitions: readonly Definition[],
  observedAt: number,
): Promise<void> {
  const row = { definitions: JSON.stringify(definitions), observed_at: observedAt }
  await tx
    .withTables<RegistryTables>()
    .insertInto('server_observation')
    .values({ server, ...row })
    .onConflict((conflict) => conflict.column('server').doUpdateSet(row))
    .execute()
}

/** What a server offered when it was last looked at; undefined if it never was. */
export async function observedDefinitions(
  tx: Tx,
  server: ServerId,
): Promise<Definition[] | undefined> {
  const row = await tx
    .withTables<RegistryTables>()
    .selectFrom('server_observation')
    .select('definitions')
    .where('server', '=', server)
    .executeTakeFirst()
  return row === undefined ? undefined : definitionsSchema.parse(row.definitions)
}

/** Keeps a review and makes the server a reviewed one. */
export async function insertReview(
  tx: Tx,
  review: { readonly server: ServerId; readonly revision: number; readonly signed: string },
  definitions: readonly Definition[],
): Promise<void> {
  const db = tx.withTables<RegistryTables>()
  await db
    .insertInto('server_review')
    .values({ ...review, definitions: JSON.stringify(definitions) })
    .execute()
  await db
    .updateTable('server')
    .set({ revision: review.revision, state: 'reviewed', reason: null })
    .where('id', '=', review.server)
    .execute()
}

/** The review in force, if it holds; with the definitions it speaks of. */
export async function findReview(
  tx: Tx,
  registration: Registration,
  env: { readonly keyring: Keyring },
): Promise<{ claims: ReviewClaims; definitions: Definition[] } | undefined> {
  const row = await tx
    .withTables<RegistryTables>()
    .selectFrom('server_review')
    .select(['signed', 'definitions'])
    .where('server', '=', registration.id)
    .where('revision', '=', registration.revision)
    .executeTakeFirst()
  return row === undefined ? undefined : heldReview(row, registration, env)
}

/** The server by name or identifier with what its review accepted. */
export async function loadServer(
  tx: Tx,
  nameOrId: string,
  env: { readonly keyring: Keyring },
): Promise<Server | undefined> {
  const registration = await findServer(tx, nameOrId)
  return registration && serverFrom(registration, await findReview(tx, registration, env))
}

/** Every server in state `reviewed`, by name, with what its review accepted. */
export async function reviewedServers(
  tx: Tx,
  env: { readonly keyring: Keyring },
): Promise<Server[]> {
  const rows = await tx
    .withTables<RegistryTables>()
    .selectFrom('server')
    .innerJoin('server_review', (join) =>
      join
        .onRef('server_review.server', '=', 'server.id')
        .onRef('server_review.revision', '=', 'server.revision'),
    )
    .select(COLUMNS.map((column) => `server.${column}` as const))
    .select(['server_review.signed', 'server_review.definitions'])
    .where('server.state', '=', 'reviewed')
    .orderBy('server.name')
    .execute()
  return rows
    .map((row) => {
      const registration = registrationFrom(row)
      return serverFrom(registration, heldReview(row, registration, env))
    })
    .filter((server) => server.state === 'reviewed')
}

/** The review in a row, if its signature and every digest hold. */
function heldReview(
  row: { readonly signed: string; readonly definitions: unknown },
  registration: Registration,
  env: { readonly keyring: Keyring },
): { claims: ReviewClaims; definitions: Definition[] } | undefined {
  const verified = verifyReview(row.signed, registration, env)
  if (!verified.ok) return undefined
  const definitions = definitionsSchema.parse(row.definitions)
  const { definitions: pinned } = verified.value
  // INVARIANT (pinned definitions): what is shown is what was signed, to the last byte.
  const whole =
    definitions.length === Object.keys(pinned).length &&
    definitions.every(
      ({ kind, name, value }) => pinned[definitionKey(kind, name)] === digestOfJson(value),
    )
  return whole ? { claims: verified.value, definitions } : undefined
}

function serverFrom(
  registration: Registration,
  review: { claims: ReviewClaims; definitions: Definition[] } | undefined,
): Server {
  if (review === undefined) {
    const nothing = { definitions: new Map(), tools: new Map(), resources: NO_RESOURCES }
    // A review that does not hold is worth no more than drift.
    return registration.state === 'reviewed'
      ? { ...registration, state: 'quarantined', reason: 'the review does not verify', ...nothing }
      : { ...registration, ...nothing }
  }
  const tools = new Map(
    review.claims.tools.map((tool): [string, ReviewedTool] => [tool.name, tool]),
  )
  const offered = review.definitions.filter(({ kind, name }) => kind !== 'tool' || tools.has(name))
  return {
    ...registration,
    definitions: new Map(offered.map((each) => [definitionKey(each.kind, each.name), each])),
    tools,
    resources: review.claims.resources,
  }
}

const NO_RESOURCES = { class: 'read', consequential: true } as const

function selectServer(tx: Tx, nameOrId: string): SelectQueryBuilder<RegistryTables, 'server', Row> {
  const column = serverIdSchema.safeParse(nameOrId).success ? 'id' : 'name'
  // Postgres keeps no NUL: a text with one names nothing, and must not be a fault.
  const wanted = nameOrId.includes('\0') ? '' : nameOrId
  return tx
    .withTables<RegistryTables>()
    .selectFrom('server')
    .select(COLUMNS)
    .where(column, '=', wanted as ServerId)
}

function one(row: Row | undefined): Registration | undefined {
  return row === undefined ? undefined : registrationFrom(row)
}

function registrationFrom(row: Row): Registration {
  return {
    id: row.id,
    name: row.name,
    title: row.title,
    state: row.state,
    ...(row.reason === null ? {} : { reason: row.reason }),
    transport: transportSchema.parse(row.transport),
    revision: row.revision,
    personRights: row.person_rights,
    timeoutMilliseconds: row.timeout_ms,
    outputLimitBytes: row.output_limit_bytes,
  }
}

const definitionsSchema = z.array(
  z.strictObject({
    kind: z.enum(['tool', 'prompt', 'resource_template', 'resource', 'instructions']),
    name: z.string(),
    value: z.custom<JsonObject>((value) => isObjectValue(value as Json)),
    digest: z.templateLiteral(['sha256:', z.string().regex(/^[0-9a-f]{64}$/)]),
  }),
)

function isObjectValue(value: Json): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
