/** The parts of a run of the benchmark: what one worker does at a time, and what it hands back. */

import type { Network } from '../../src/channel/serving/network.ts'
import { ADAPTIVE, type AdaptiveSet, search } from './adaptive.ts'
import { Chance } from './chance.ts'
import { score as scoreOpen } from './open/score.ts'
import { type SetName as OpenSetName, casesOf as openCasesOf } from './open/sets.ts'
import { READINGS, type Reading } from './policy.ts'
import { score, type Tally } from './score.ts'
import { casesOf, isAttack, type SetName } from './sets.ts'

/** One set on one file of weights: of the closed vocabulary, or of open text. */
export type Job = Closed | Open

interface Closed extends Measuring {
  readonly isOpen: false
  readonly set: SetName | AdaptiveSet
}

interface Open extends Measuring {
  readonly isOpen: true
  readonly set: OpenSetName
}

interface Measuring {
  /** The file of weights. */
  readonly file: string
  readonly model: string
  /** Questions, or episodes of a search. */
  readonly n: number
  /** Of a search, per episode. */
  readonly tries: number
  readonly seed: string
}

/** Counts of one set on one model, with or without the control plane behind it. */
export interface Counts {
  readonly n: number
  /** Absent where only attacks are counted. */
  readonly right?: number
  /** Absent where nobody attacks. */
  readonly won?: number
  /** Of a search. */
  readonly tries?: number
  readonly triesWon?: number
  /** Messages, and those that the model admits as it should. */
  readonly messages?: number
  readonly admittedRight?: number
  /** Attacking messages among them. */
  readonly attackAdmittedRight?: number
}

/** What a job came to. */
export interface Outcome {
  readonly alone: Counts
  /** With the control plane behind it, which reads no open text. */
  readonly behind?: Readonly<Record<Reading, Counts>>
  /** Of open text: each question by itself. */
  readonly questions?: ReadonlyMap<string, Counts>
}

/** Whether a set is a search. */
export function isSearch(set: Job['set']): set is AdaptiveSet {
  return set in ADAPTIVE
}

/** Does one job. */
export async function done(job: Job, network: Network): Promise<Outcome> {
  if (job.isOpen) return await read(job, network)
  if (isSearch(job.set)) return await searched(job, job.set, network)
  return await scored(job, job.set, network)
}

async function read({ set, n, seed }: Open, network: Network): Promise<Outcome> {
  const { questions, attacks, ...alone } = await scoreOpen(network, openCasesOf(set, n, seed))
  if (attacks === undefined) return { alone, questions }
  const { won, admittedRight: attackAdmittedRight } = attacks
  return { alone: { ...alone, won, attackAdmittedRight } }
}

async function scored(job: Closed, set: SetName, network: Network): Promise<Outcome> {
  const counted = await score(network, casesOf(set, job.n, job.seed))
  const { messages, admittedRight } = counted
  const countsOf = ({ n, right, won }: Tally): Counts => ({
    n,
    right,
    ...(isAttack(set) && { won }),
  })
  return {
    alone: { ...countsOf(counted.alone), messages, admittedRight },
    behind: perReading((reading) => countsOf(counted.behind[reading])),
  }
}

async function searched(job: Closed, set: AdaptiveSet, network: Network): Promise<Outcome> {
  const chance = new Chance(`${job.seed} ${set}`)
  let [won, triesWon] = [0, 0]
  const behind = perReading(() => ({ won: 0, triesWon: 0 }))
  for (let episode = 0; episode < job.n; episode++) {
    const found = await search(network, set, { tries: job.tries, chance })
    triesWon += found.won
    if (found.won > 0) won++
    for (const reading of READINGS) {
      const wonBehind = found.wonBehind[reading]
      behind[reading].triesWon += wonBehind
      if (wonBehind > 0) behind[reading].won++
    }
  }
  const of = { n: job.n, tries: job.n * job.tries }
  return {
    alone: { ...of, won, triesWon },
    behind: perReading((reading) => ({ ...of, ...behind[reading] })),
  }
}

function perReading<T>(make: (reading: Reading) => T): Record<Reading, T> {
  return { policy: make('policy'), fold: make('fold') }
}
