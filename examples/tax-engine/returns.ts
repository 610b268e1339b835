/** Drafts and filed returns, in one JSON file that is replaced as a whole; a return is filed once. */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'

const draft = z.strictObject({
  draft: z.string(),
  client: z.string(),
  year: z.int(),
  amount_due: z.number(),
  warnings: z.array(z.string()),
  overridden: z.array(z.strictObject({ warning: z.string(), reason: z.string() })),
})
const filed = z.strictObject({
  confirmation: z.string(),
  draft: z.string(),
  client: z.string(),
  year: z.int(),
  amount_due: z.number(),
  warnings: z.array(z.string()),
})
const book = z.strictObject({ drafts: z.array(draft), filed: z.array(filed) })

/** A prepared return, with the warnings that nobody has settled. */
export type Draft = z.infer<typeof draft>
/** A return that was filed. */
export type Filed = z.infer<typeof filed>

/** What a preparer enters; amounts in dollars. */
export interface Figures {
  readonly client: string
  readonly year: number
  readonly wages: number
  readonly interest: number
  readonly withheld: number
  /** Fields for which the source shows more than one figure. */
  readonly ambiguous: readonly string[]
}

/** Something that the engine does not do, for a reason that its caller can read. */
export class Refused extends Error {}

/** The returns kept in a folder. Operations run one after the other. */
export class Returns {
  readonly #file: string
  #last: Promise<unknown> = Promise.resolve()

  private constructor(file: string) {
    this.#file = file
  }

  static async open(folder: string): Promise<Returns> {
    await mkdir(folder, { recursive: true })
    return new Returns(join(folder, 'returns.json'))
  }

  async createDraft(figures: Figures): Promise<Draft> {
    return await this.#change((kept) => {
      const made: Draft = {
        draft: `draft-${figures.client}-${figures.year}-${kept.drafts.length + 1}`,
        client: figures.client,
        year: figures.year,
        amount_due: amountDue(figures),
        warnings: warningsOf(figures),
        overridden: [],
      }
      kept.drafts.push(made)
      return made
    })
  }

  async overrideWarning(id: string, warning: string, reason: string): Promise<Draft> {
    return await this.#change((kept) => {
      const found = draftOf(kept, id)
      const open = found.warnings.find((text) => text === warning || text.startsWith(`${warning}:`))
      if (open === undefined) throw new Refused(`the draft has no open warning \`${warning}\``)
      found.warnings = found.warnings.filter((text) => text !== open)
      found.overridden.push({ warning: open, reason })
      return found
    })
  }

  /** Files the return if it is the one that was drafted, and was not filed before. */
  async file(asked: Pick<Filed, 'draft' | 'client' | 'year' | 'amount_due'>): Promise<Filed> {
    return await this.#change((kept) => {
      const { client, year, amount_due, warnings } = draftOf(kept, asked.draft)
      if (asked.client !== client || asked.year !== year || asked.amount_due !== amount_due) {
        throw new Refused('client, year and amount due must be those of the draft')
      }
      if (kept.filed.some((done) => done.client === client && done.year === year)) {
        throw new Refused(`the ${year} return of client ${client} was filed before`)
      }
      const confirmation = `${year}-${client}-${String(kept.filed.length + 1).padStart(6, '0')}`
      const made = { confirmation, draft: asked.draft, client, year, amount_due, warnings }
      kept.filed.push(made)
      return made
    })
  }

  async status(client: string | undefined): Promise<{ drafts: Draft[]; filed: Filed[] }> {
    return await this.#change((kept) => ({
      drafts: kept.drafts.filter((one) => client === undefined || one.client === client),
      filed: kept.filed.filter((one) => client === undefined || one.client === client),
    }))
  }

  async #change<T>(work: (kept: z.infer<typeof book>) => T): Promise<T> {
    const turn = this.#last.then(async () => {
      const text = await readFile(this.#file, 'utf8').catch((fault: NodeJS.ErrnoException) => {
        if (fault.code === 'ENOENT') return '{"drafts":[],"filed":[]}'
        throw fault
      })
      const kept = book.parse(JSON.parse(text))
      const done = work(kept)
      await writeFile(`${this.#file}.new`, `${JSON.stringify(kept, null, 2)}\n`, { flush: true })
      await rename(`${this.#file}.new`, this.#file)
      return done
    })
    this.#last = turn.catch(() => {})
    return await turn
  }
}

function draftOf(kept: z.infer<typeof book>, id: string): Draft {
  const found = kept.drafts.find((one) => one.draft === id)
  if (found === undefined) throw new Refused(`there is no draft \`${id}\``)
  return found
}

function warningsOf({ ambiguous, wages, interest, withheld }: Figures): string[] {
  return [
    ...ambiguous.map(
      (field) => `${field}_ambiguous: the source shows more than one figure for ${field}`,
    ),
    ...(withheld > wages + interest ? ['withheld_high: more was withheld than was earned'] : []),
  ]
}

const STANDARD_DEDUCTION = 15_750
/** 2025, single: the upper end of each bracket, and its rate in percent. */
const BRACKETS = [
  [11_925, 10],
  [48_475, 12],
  [103_350, 22],
  [197_300, 24],
  [250_525, 32],
  [626_350, 35],
  [Number.POSITIVE_INFINITY, 37],
] as const

/** Federal tax on wages and interest, less what was withheld; a refund is negative. Whole cents. */
export function amountDue({ wages, interest, withheld }: Omit<Figures, 'ambiguous'>): number {
  const taxable = Math.max(0, wages + interest - STANDARD_DEDUCTION)
  let tax = 0
  let from = 0
  for (const [until, percent] of BRACKETS) {
    tax += (Math.max(0, Math.min(taxable, until) - from) * percent) / 100
    from = until
  }
  return Math.round((tax - withheld) * 100) / 100
}
