/** The tools that the tax engine offers, of either MCP era. */

import { McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { Refused, type Returns } from './returns.ts'

const client = z
  .string()
  .regex(/^\d{4}$/)
  .describe('Client number, four digits')
const year = z.int().min(2000).max(2100).describe('Tax year')
const amount = z.number().min(0).max(100_000_000)
const id = z.string().max(100)
const warnings = z.array(z.string()).describe('Warnings that nobody has settled')
const drafted = { draft: id, client, year, amount_due: z.number(), warnings }
const confirmed = { confirmation: z.string(), ...drafted }
const INSTRUCTIONS =
  'Create a draft, settle its warnings with the client, file the return. A return is filed once and cannot be taken back.'

/** A server object for one request; what it does lands in `returns`. */
export function taxEngine(returns: Returns): McpServer {
  const server = new McpServer(
    { name: 'tax-engine', title: 'Tax engine', version: '1.0.0' },
    { instructions: INSTRUCTIONS },
  )
  server.registerTool(
    'create_draft',
    {
      title: 'Create a draft',
      description:
        'Computes a draft return. A field that is named ambiguous leaves an unresolved warning on it.',
      inputSchema: z.object({
        client,
        year,
        wages: amount.describe('W-2 box 1, in dollars'),
        interest: amount.default(0).describe('1099-INT box 1, in dollars'),
        withheld: amount.default(0).describe('W-2 box 2, in dollars'),
        ambiguous: z
          .array(z.enum(['wages', 'interest', 'withheld']))
          .max(3)
          .default([])
          .describe('Fields for which the source shows more than one figure'),
      }),
      outputSchema: z.object(drafted),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    async (figures) =>
      await told(async () => {
        const { overridden: _, ...made } = await returns.createDraft(figures)
        return made
      }),
  )
  server.registerTool(
    'override_warning',
    {
      title: 'Override a warning',
      description: 'Takes a warning off a draft. The reason is kept with it.',
      inputSchema: z.object({
        draft: id,
        warning: z.string().max(300).describe('The warning, or its code before the colon'),
        reason: z.string().min(1).max(500),
      }),
      outputSchema: z.object(drafted),
      annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
    },
    async ({ draft, warning, reason }) =>
      await told(async () => {
        const { overridden: _, ...left } = await returns.overrideWarning(draft, warning, reason)
        return left
      }),
  )
  server.registerTool(
    'file_return',
    {
      title: 'File a return',
      description:
        'Files a drafted return with the tax authority, once. Client, year and amount due must be those of the draft.',
      inputSchema: z.object({ draft: id, client, year, amount_due: z.number() }),
      outputSchema: z.object(confirmed),
      annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: true },
    },
    async (asked) => await told(async () => await returns.file(asked)),
  )
  server.registerTool(
    'status',
    {
      title: 'Drafts and filed returns',
      description: 'Lists drafts and filed returns, of one client or of all.',
      inputSchema: z.object({ client: client.optional() }),
      outputSchema: z.object({
        drafts: z.array(z.looseObject(drafted)),
        filed: z.array(z.looseObject(confirmed)),
      }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async (asked) => await told(async () => await returns.status(asked.client)),
  )
  return server
}

type Told = {
  content: { type: 'text'; text: string }[]
  structuredContent?: Record<string, unknown>
  isError?: true
}

/** What a tool's work came to: its result, or the engine's own words of refusal. */
async function told(work: () => Promise<Record<string, unknown>>): Promise<Told> {
  try {
    const structuredContent = await work()
    return {
      content: [{ type: 'text', text: JSON.stringify(structuredContent) }],
      structuredContent,
    }
  } catch (fault) {
    if (!(fault instanceof Refused)) throw fault
    return { content: [{ type: 'text', text: fault.message }], isError: true }
  }
}
