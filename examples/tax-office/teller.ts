/** Tells the story: to people as text, to programs as one JSON object per step. */

/** How a step came out. */
export interface StepOutcome {
  readonly step: string
  readonly title: string
  readonly outcome:
    | 'permit'
    | 'deny'
    | 'step_up'
    | 'approval_required'
    | 'approved'
    | 'ok'
    | 'failed'
  readonly constraint?: string
  readonly reason?: string
  /** The index of the log entry that says so. */
  readonly entry?: number
}

const MARKS: Readonly<Record<StepOutcome['outcome'], string>> = {
  permit: '✓ permitted',
  deny: '✗ refused',
  step_up: '! step up',
  approval_required: '… waits for approval',
  approved: '✓ approved',
  ok: '·',
  failed: '?? unexpected',
}

/** Prints steps and remembers whether all came out as told. */
export class Teller {
  readonly #json: boolean
  #asTold = true

  constructor(json: boolean) {
    this.#json = json
  }

  /** Whether every step so far came out as the story says. */
  get asTold(): boolean {
    return this.#asTold
  }

  /** A step that happened; `expected` says how the story has it. */
  step(step: StepOutcome, expected: Pick<StepOutcome, 'outcome' | 'constraint'>): void {
    const asTold =
      step.outcome === expected.outcome &&
      (expected.constraint === undefined || step.constraint === expected.constraint)
    if (!asTold) this.#asTold = false
    if (this.#json) {
      process.stdout.write(`${JSON.stringify(step)}\n`)
      return
    }
    const by = step.constraint === undefined ? '' : ` by ${step.constraint}`
    const entry = step.entry === undefined ? '' : `  (log ${step.entry})`
    process.stdout.write(
      `${step.step.padEnd(4)} ${MARKS[step.outcome]}${by}  ${step.title}${entry}\n`,
    )
    if (step.reason !== undefined) this.detail(step.reason)
    if (!asTold)
      this.detail(
        `EXPECTED ${expected.outcome}${expected.constraint === undefined ? '' : ` by ${expected.constraint}`}`,
      )
  }

  /** Lines below a step, for people only. */
  detail(text: string): void {
    if (this.#json) return
    for (const line of text.trimEnd().split('\n')) process.stdout.write(`       ${line}\n`)
  }

  /** A heading, for people only. */
  heading(text: string): void {
    if (!this.#json) process.stdout.write(`\n${text}\n`)
  }

  fault(fault: unknown): void {
    process.stderr.write(
      `the demo could not go on: ${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}\n`,
    )
  }

  /** What to try with the installation that stays up. */
  whereNext(url: string, sessions: Readonly<Record<string, string>>): void {
    this.heading('The installation stays up. Try, in another terminal:')
    this.detail(
      [
        `export BEHALF_URL=${url} BEHALF_SESSION=${sessions['paul'] ?? ''}   # you are Paul`,
        'bin/behalf delegation list',
        'bin/behalf approval list',
        'bin/behalf log verify',
        'bin/behalf connect --help',
        'Ctrl-C ends it; the next `npm run demo` finds it as it was.',
      ].join('\n'),
    )
  }
}
