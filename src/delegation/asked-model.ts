/**
 * The model of an installation: asked within an allowance for each person, and once for the same question.
 *
 * What it chose is remembered for a while, so that what a person accepts is what they were shown, although
 * a model need not answer alike twice. Of this process alone: elsewhere it is asked again, and a proposal
 * that comes out different has another digest.
 */

import type { Digest } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { ok, refuse, type Result } from '../base/result.ts'
import { Allowances } from '../identity/allowance.ts'
import type { PersonId } from '../people/person.ts'
import {
  type ModelChoice,
  type ModelQuestion,
  promptOf,
  readChoice,
  type ScopeModel,
} from './propose-by-model.ts'

/** What was asked, and what was chosen. */
export interface Asked {
  readonly choice: ModelChoice
  /** The digest of the whole prompt. */
  readonly prompt: Digest
}

/** Questions of one person: some at once, then one each five seconds. */
const QUESTIONS = { burst: 20, perSecond: 0.2 }
const REMEMBERED_MILLISECONDS = 15 * 60_000
const MOST_REMEMBERED = 1_000

/** A model that people's requests are put to. */
export class AskedModel {
  readonly name: string
  readonly #model: ScopeModel
  readonly #clock: Clock
  readonly #allowances: Allowances
  readonly #chosen = new Map<string, { readonly choice: ModelChoice; readonly until: number }>()

  constructor(model: ScopeModel, env: { readonly clock: Clock }) {
    this.name = model.name
    this.#model = model
    this.#clock = env.clock
    this.#allowances = new Allowances(QUESTIONS, env)
  }

  /** What the model chooses for a person's question. */
  async choose(question: ModelQuestion, person: PersonId): Promise<Result<Asked>> {
    const prompt = promptOf(question)
    if (!prompt.ok) return prompt
    const { messages, digest } = prompt.value
    const key = `${person} ${digest}`
    const known = this.#chosen.get(key)
    if (known !== undefined && known.until > this.#clock.nowMilliseconds())
      return ok({ choice: known.choice, prompt: digest })
    if (!this.#allowances.take(person)) {
      const message = 'expected fewer questions to the model'
      return refuse({ reason: 'too_many_requests', message })
    }
    const answered = await this.#model.ask(messages)
    if (!answered.ok) return answered
    const choice = readChoice(answered.value)
    if (!choice.ok) return choice
    this.#remember(key, choice.value)
    return ok({ choice: choice.value, prompt: digest })
  }

  #remember(key: string, choice: ModelChoice): void {
    this.#chosen.delete(key)
    const until = this.#clock.nowMilliseconds() + REMEMBERED_MILLISECONDS
    this.#chosen.set(key, { choice, until })
    if (this.#chosen.size > MOST_REMEMBERED)
      this.#chosen.delete(this.#chosen.keys().next().value ?? '')
  }
}
