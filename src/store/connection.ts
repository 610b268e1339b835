/**
 * From a connection string to the settings of one connection: where the TLS rule is kept.
 *
 * Call `connectionSettings`. Host, database, role and TLS are spelled out for the driver, so that neither
 * its own reading of the string nor `PG…` variables change them. A password that the string leaves out
 * may still come from `PGPASSWORD` or `~/.pgpass`.
 */

import { readFileSync } from 'node:fs'
import { Client, types, type ClientConfig, type QueryResultRow } from 'pg'
import * as z from 'zod'

const settings = z.strictObject({
  host: z.string().startsWith('/').optional(),
  sslmode: z.enum(['disable', 'verify-full']).optional(),
  sslrootcert: z.string().optional(),
  sslcert: z.string().optional(),
  sslkey: z.string().optional(),
})

/**
 * The driver's settings for `url` (`postgresql://user:password@host:port/database?sslmode=…`; a unix
 * socket's folder as percent-encoded host or as `?host=`). Throws if the string is not understood, or
 * if it would leave this machine without verified TLS.
 */
export function connectionSettings(url: string): ClientConfig {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    throw new Error('expected a connection string that starts with `postgresql://`')
  }
  const options = settings.safeParse(Object.fromEntries(parsed.searchParams))
  if (!options.success) {
    throw new Error(`connection string: ${z.prettifyError(options.error)}`)
  }
  const host = options.data.host ?? decodeURIComponent(parsed.hostname).replace(/^\[|\]$/g, '')
  const database = decodeURIComponent(parsed.pathname.slice(1))
  if (host === '' || database === '') {
    throw new Error('expected a host and a database name in the connection string')
  }
  const password = decodeURIComponent(parsed.password)
  return {
    host,
    port: Number(parsed.port || 5432),
    user: decodeURIComponent(parsed.username) || 'behalf',
    database,
    ...(password === '' ? {} : { password }),
    ssl: transportSecurity(host, options.data),
    keepAlive: true,
    application_name: 'behalf',
    connectionTimeoutMillis: 5_000,
    types: { getTypeParser },
  }
}

/** Every certificate is verified, name included; without TLS only where nobody else can listen. */
function transportSecurity(
  host: string,
  options: z.infer<typeof settings>,
): NonNullable<ClientConfig['ssl']> {
  if (isLocal(host) && options.sslmode !== 'verify-full') return false
  if (options.sslmode === 'disable') {
    throw new Error(`expected verified TLS to \`${host}\`, which is not on this machine`)
  }
  const { sslrootcert, sslcert, sslkey } = options
  return {
    // The name that the certificate must bear; the driver sets it only for names, not for addresses.
    host,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(sslrootcert === undefined ? {} : { ca: readFileSync(sslrootcert, 'utf8') }),
    ...(sslcert === undefined ? {} : { cert: readFileSync(sslcert, 'utf8') }),
    ...(sslkey === undefined ? {} : { key: readFileSync(sslkey, 'utf8') }),
  }
}

function isLocal(host: string): boolean {
  return (
    host.startsWith('/') ||
    host === 'localhost' ||
    host === '::1' ||
    /^127(\.\d{1,3}){3}$/.test(host)
  )
}

/** `bigint` columns arrive as numbers; one that a number cannot hold is a fault, never rounded. */
const getTypeParser: typeof types.getTypeParser = (oid, format) =>
  oid === types.builtins.INT8 && format !== 'binary'
    ? wholeNumber
    : types.getTypeParser(oid, format)

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError('expected a bigint below 2^53')
  return value
}

/** The rows that one statement yields on a connection of its own: for what no pool exists yet. */
export async function askOnce<R extends QueryResultRow>(
  url: string,
  statement: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = new Client({ ...connectionSettings(url), query_timeout: 30_000 })
  // A connection that ends early fails the query that waits on it; there is nobody else to tell.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<R>(statement, [...values])).rows
  } finally {
    await client.end()
  }
}
