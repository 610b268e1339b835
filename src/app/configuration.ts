/**
 * Configuration: one schema yields the flags, the environment variables and `docs/config.md`.
 *
 * Call `readConfiguration(flags, environment)`. A flag wins over a variable, a variable over the default.
 * Unknown `BEHALF_` variables are refused: a misspelt safety switch must not pass in silence.
 */

import { homedir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { ok, refuse, type Result } from '../base/result.ts'

const origin = z
  .url({ protocol: /^https?$/ })
  .refine(
    (text) => new URL(text).origin === text,
    'expected an origin such as `https://behalf.acme.example`, without a path',
  )
const whole = (least: number, most: number): z.ZodCoercedNumber<string> => {
  const error = `expected a whole number from ${least} to ${most}`
  return z.coerce
    .number<string>({ error })
    .int({ error })
    .min(least, { error })
    .max(most, { error })
}

/** Every field. The description is a sentence with its unit; it becomes help and documentation. */
export const configurationSchema = z.strictObject({
  home: z
    .string()
    .min(1)
    .default(() => join(homedir(), '.behalf'))
    .describe('Folder of the embedded database, the master key and the sockets; mode 0700.'),
  databaseUrl: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Postgres 15 or later to use instead of the embedded one; off loopback only with verified TLS. Also read from `DATABASE_URL`.',
    ),
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe(
      'Address to listen on; anything but loopback requires an `https` issuer behind a TLS proxy.',
    ),
  port: whole(0, 65_535).default(8787).describe('TCP port to listen on; 0 lets the system choose.'),
  issuer: origin
    .optional()
    .describe(
      'Public origin, the OAuth issuer; by default `http://127.0.0.1:<port>`. Never inferred from requests.',
    ),
  trustDomain: z
    .string()
    .regex(/^[a-z0-9._-]{1,255}$/)
    .default('behalf.local')
    .describe('SPIFFE trust domain of the agents issued here; cannot be changed later.'),
  logOrigin: z
    .string()
    .regex(/^[^\s+]{1,200}$/)
    .optional()
    .describe('Origin line of the transparency log; by default the trust domain and `/log`.'),
  witnesses: z
    .string()
    .regex(/^[^\s,]+(?:,[^\s,]+)*$/)
    .optional()
    .describe(
      'Verifier keys of the witnesses whose cosignatures are kept, comma-separated; `behalf witness` prints its own.',
    ),
  refusalBudget: whole(1, 10_000)
    .default(100)
    .describe(
      'Refused calls within the window after which the next one suspends the agent, for kinds of agents that nobody set a budget for.',
    ),
  refusalWindowSeconds: whole(1, 604_800)
    .default(3_600)
    .describe('The window of the refusal budget, in seconds.'),
  dpopNonce: z
    .enum(['off', 'required'])
    .default('off')
    .describe(
      'Whether DPoP proofs must bear a nonce of this process: `required` where several servers share a database and an issuer, each agent being sent to the same one.',
    ),
  exchangeBurst: whole(1, 10_000_000)
    .default(200)
    .describe(
      'Token exchanges that one agent may ask for at once; one more each second after that. Further ones are answered 429. Counted by each process: N servers allow N times as much.',
    ),
  scopeModelUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'Endpoint of a language model in the chat-completions form that may propose scopes, such as `https://models.acme.example/v1/chat/completions`; plain HTTP on loopback only. Without it no model is asked. It is sent what people ask for, the templates, and the names and descriptions of reviewed tools.',
    ),
  scopeModel: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/)
    .optional()
    .describe('The model that is asked there, by the name that the endpoint knows.'),
  scopeModelKeyFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'File with the credential that the endpoint wants, sent as a bearer token; read anew for each question. Refused if everybody could read it.',
    ),
  scopeModelSeconds: whole(1, 300)
    .default(20)
    .describe('How long one answer of the model may take, in seconds.'),
  scopeModelQuestions: whole(1, 100)
    .default(4)
    .describe('Questions to the model under way at once; further ones are not asked.'),
  maxBodyBytes: whole(1_024, 67_108_864)
    .default(1_048_576)
    .describe('Largest request body accepted, in bytes.'),
  drainSeconds: whole(0, 600)
    .default(10)
    .describe('How long a graceful stop waits for calls under way, in seconds.'),
})

/** The configuration as the rest of `app/` sees it. */
export type Configuration = z.infer<typeof configurationSchema>

type Field = keyof Configuration

/** The names of all fields, in the order of the schema. */
export const FIELDS = Object.keys(configurationSchema.shape) as readonly Field[]

/** `trustDomain` → `BEHALF_TRUST_DOMAIN`. */
export function variableOf(field: string): string {
  return `BEHALF_${field.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** `trustDomain` → `--trust-domain`. */
export function flagOf(field: string): string {
  return `--${field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** The configuration, or which field is wrong and what was expected. */
export function readConfiguration(
  flags: Readonly<Record<string, string | undefined>>,
  environment: Readonly<Record<string, string | undefined>>,
): Result<Configuration, { reason: 'bad_configuration'; message: string }> {
  const unknown = unknownVariable(environment)
  if (unknown !== undefined)
    return bad(`expected no variable \`${unknown}\`: there is no such setting`)
  const given: Record<string, string> = {}
  for (const field of FIELDS) {
    const value =
      flags[field] ??
      environment[variableOf(field)] ??
      (field === 'databaseUrl' ? environment['DATABASE_URL'] : undefined)
    if (value !== undefined) given[field] = value
  }
  const parsed = configurationSchema.safeParse(given)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const field = String(issue?.path[0] ?? '')
    const message = lowerFirst(issue?.message ?? 'expected another value')
    // A connection string may hold a password, and so may a URL.
    const got =
      field === 'databaseUrl' || field === 'scopeModelUrl' ? '' : `, got \`${given[field]}\``
    return bad(`\`${flagOf(field)}\` (${variableOf(field)}): ${message}${got}`)
  }
  return checkTogether(parsed.data)
}

/** The first `BEHALF_` variable that nothing reads: most likely misspelt. */
export function unknownVariable(
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const known = new Set([...FIELDS.map(variableOf), ...CLIENT_VARIABLES])
  return Object.keys(environment).find((name) => name.startsWith('BEHALF_') && !known.has(name))
}

/** Variables that other parts of the product read; not settings of the server. */
const CLIENT_VARIABLES = [
  'BEHALF_URL',
  'BEHALF_SESSION',
  'BEHALF_DELEGATION',
  'BEHALF_BRIDGE_PORT',
  'BEHALF_TEST_DATABASE_URL',
]

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

function checkTogether(configuration: Configuration): ReturnType<typeof readConfiguration> {
  const { host, issuer } = configuration
  // Plain HTTP is refused off loopback: session tokens and DPoP targets would travel in the clear.
  if (!LOOPBACK.has(host) && !(issuer?.startsWith('https://') ?? false)) {
    return bad(
      '`--host` off loopback: expected an `https` `--issuer`, with TLS terminated in front',
    )
  }
  if (
    issuer?.startsWith('http://') &&
    !LOOPBACK.has(new URL(issuer).hostname.replaceAll(/[[\]]/g, ''))
  ) {
    return bad('`--issuer`: expected `https` off loopback')
  }
  return checkScopeModel(configuration)
}

function checkScopeModel(configuration: Configuration): ReturnType<typeof readConfiguration> {
  const { scopeModelUrl: url, scopeModel, scopeModelKeyFile } = configuration
  if ((url === undefined) !== (scopeModel === undefined))
    return bad('`--scope-model-url` and `--scope-model`: expected both or neither')
  if (url === undefined)
    return scopeModelKeyFile === undefined
      ? ok(configuration)
      : bad('`--scope-model-key-file`: expected a `--scope-model-url`')
  const { protocol, hostname, username, password, hash } = new URL(url)
  if (username !== '' || password !== '' || hash !== '')
    return bad('`--scope-model-url`: expected no credentials and no fragment in it')
  // The credential and what people ask for would travel in the clear.
  if (protocol === 'http:' && !LOOPBACK.has(hostname.replaceAll(/[[\]]/g, '')))
    return bad('`--scope-model-url`: expected `https` off loopback')
  return ok(configuration)
}

function bad(message: string): ReturnType<typeof readConfiguration> {
  return refuse({ reason: 'bad_configuration', message })
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
