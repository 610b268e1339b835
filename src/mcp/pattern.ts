/**
 * Regular expressions whose cost is linear in the text, for patterns that strangers wrote.
 *
 * Call `compilePattern`. The syntax is ECMAScript's (`u` flag, unanchored) without backreferences and
 * lookbehind, which a pattern is refused for. It runs as an automaton over sets of states (Thompson
 * 1968; RE2), so that `(a+)+$` costs what `a` costs: a backtracking engine would let whoever writes a
 * schema, or an argument, stop the process. A lookahead runs its own automaton once per position.
 *
 * Character classes are asked of the native engine, one code point at a time.
 */

import { ok, refuse, type Result } from '../base/result.ts'

/** Whether a pattern occurs in a text. Throws `PatternCost` when finding out would exceed `budget`. */
export type Pattern = (text: string, budget?: Budget) => boolean

/** How many steps may still be taken; shared by those who share it. */
export interface Budget {
  left: number
}

/** A text and a pattern that together exceed the bound on steps. */
export class PatternCost extends Error {}

/** A pattern that is not run here. */
export interface PatternRefusal {
  readonly reason: 'pattern_unsupported'
  readonly message: string
}

const MAX_SOURCE = 1_000
const MAX_NESTING = 40
const MAX_PROGRAM = 5_000
/** Steps that one check may take, by default. */
export const MAX_STEPS = 1_000_000
const TOO_DEAR = 'expected a cheaper pattern or a shorter text'

/** The matcher for `source`. */
export function compilePattern(source: string): Result<Pattern, PatternRefusal> {
  try {
    if (source.length > MAX_SOURCE) throw unsupported(`at most ${MAX_SOURCE} characters`)
    const program = assemble(new Reader(source).whole())
    return ok((text, budget = { left: MAX_STEPS }) => {
      if ((budget.left -= text.length) < 0) throw new PatternCost(TOO_DEAR)
      const points = Array.from(text, (c) => c.codePointAt(0) ?? 0)
      return new Run(points, budget).matches(program, 0, false)
    })
  } catch (cause) {
    if (!(cause instanceof Unsupported)) throw cause
    return refuse({ reason: 'pattern_unsupported', message: cause.message })
  }
}

class Unsupported extends Error {}

function unsupported(expected: string): Unsupported {
  return new Unsupported(`expected a pattern with ${expected}`)
}

type Edge = 'start' | 'end' | 'boundary' | 'inside'

type Node =
  | { readonly is: 'atom'; readonly atom: Atom }
  | { readonly is: 'edge'; readonly edge: Edge }
  | { readonly is: 'look'; readonly ahead: Node; readonly wanted: boolean }
  | { readonly is: 'all'; readonly nodes: readonly Node[] }
  | { readonly is: 'any'; readonly nodes: readonly Node[] }
  | { readonly is: 'repeat'; readonly node: Node; readonly least: number; readonly most: number }

/** A set of code points. */
interface Atom {
  readonly ascii: Uint8Array
  readonly other: RegExp
}

/** Reads a pattern by recursive descent (ECMA-262 §22.2.1). */
class Reader {
  readonly #source: string
  #at = 0
  #nesting = 0

  constructor(source: string) {
    this.#source = source
  }

  whole(): Node {
    const node = this.#alternatives()
    if (this.#at < this.#source.length) throw unsupported('balanced groups')
    return node
  }

  #alternatives(): Node {
    if (++this.#nesting > MAX_NESTING) throw unsupported(`at most ${MAX_NESTING} nested groups`)
    const nodes = [this.#sequence()]
    while (this.#take('|')) nodes.push(this.#sequence())
    this.#nesting--
    return nodes.length === 1 && nodes[0] !== undefined ? nodes[0] : { is: 'any', nodes }
  }

  #sequence(): Node {
    const nodes: Node[] = []
    while (this.#at < this.#source.length && !'|)'.includes(this.#peek())) {
      nodes.push(this.#quantified(this.#term()))
    }
    return { is: 'all', nodes }
  }

  #term(): Node {
    if (this.#take('^')) return { is: 'edge', edge: 'start' }
    if (this.#take('$')) return { is: 'edge', edge: 'end' }
    if (this.#take('\\b')) return { is: 'edge', edge: 'boundary' }
    if (this.#take('\\B')) return { is: 'edge', edge: 'inside' }
    if (this.#take('(?=')) return { is: 'look', ahead: this.#group(), wanted: true }
    if (this.#take('(?!')) return { is: 'look', ahead: this.#group(), wanted: false }
    if (this.#take('(?:')) return this.#group()
    const name = this.#match(/\(\?<[A-Za-z_$][\w$]*>/y)
    if (name !== undefined) return this.#group()
    if (this.#source.startsWith('(?', this.#at)) throw unsupported('no lookbehind or modifiers')
    if (this.#take('(')) return this.#group()
    return { is: 'atom', atom: atomOf(this.#atom()) }
  }

  #group(): Node {
    const node = this.#alternatives()
    if (!this.#take(')')) throw unsupported('balanced groups')
    return node
  }

  #atom(): string {
    if (/[*+?{}]/.test(this.#peek())) throw unsupported('quantifiers after something')
    if (this.#source.startsWith('\\', this.#at)) {
      if (/\\[1-9k]/y.test(this.#source.slice(this.#at))) throw unsupported('no backreferences')
      const escape = this.#match(
        /\\(?:u\{[0-9a-fA-F]{1,6}\}|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[pP]\{[\w=]{1,60}\}|[dDwWsStnrfv0]|[^A-Za-z0-9])/uy,
      )
      if (escape === undefined) throw unsupported('escapes of ECMAScript')
      return escape
    }
    const set = this.#match(/\[\^?(?:[^\]\\]|\\.)*\]/uy)
    if (set !== undefined) return set
    if (this.#peek() === '[' || this.#peek() === ']') throw unsupported('closed classes')
    return this.#match(/./suy) ?? ''
  }

  #quantified(node: Node): Node {
    const bounds = this.#match(/[*+?]|\{\d{1,4}(?:,\d{0,4})?\}/y)
    if (bounds === undefined) return node
    this.#take('?')
    if (node.is === 'edge' || node.is === 'look') throw unsupported('no quantified assertions')
    if (bounds === '*') return { is: 'repeat', node, least: 0, most: Infinity }
    if (bounds === '+') return { is: 'repeat', node, least: 1, most: Infinity }
    if (bounds === '?') return { is: 'repeat', node, least: 0, most: 1 }
    const [least = '', most] = bounds.slice(1, -1).split(',')
    const limit = most === undefined ? Number(least) : most === '' ? Infinity : Number(most)
    if (limit < Number(least)) throw unsupported('bounds in order')
    return { is: 'repeat', node, least: Number(least), most: limit }
  }

  #peek(): string {
    return this.#source.charAt(this.#at)
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #match(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.#at
    const found = sticky.exec(this.#source)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }
}

/** The set that `source`, one atom of a pattern, stands for. */
function atomOf(source: string): Atom {
  let other: RegExp
  try {
    other = new RegExp(`^(?:${source})$`, 'u')
  } catch {
    throw unsupported('classes of ECMAScript (flag `u`)')
  }
  const ascii = Uint8Array.from({ length: 128 }, (_, code) =>
    other.test(String.fromCharCode(code)) ? 1 : 0,
  )
  return { ascii, other }
}

type Step =
  | { readonly do: 'read'; readonly atom: Atom }
  | { readonly do: 'edge'; readonly edge: Edge }
  | { readonly do: 'look'; readonly program: Program; readonly wanted: boolean }
  | { readonly do: 'fork'; to: number; or: number }
  | { readonly do: 'match' }

type Program = readonly Step[]

/** Steps that run one after the other, except where they fork. */
function assemble(node: Node): Program {
  const steps: Step[] = []
  emit(node, steps)
  steps.push({ do: 'match' })
  return steps
}

function emit(node: Node, steps: Step[]): void {
  if (steps.length > MAX_PROGRAM) throw unsupported(`at most ${MAX_PROGRAM} states`)
  switch (node.is) {
    case 'atom':
      steps.push({ do: 'read', atom: node.atom })
      return
    case 'edge':
      steps.push({ do: 'edge', edge: node.edge })
      return
    case 'look':
      steps.push({ do: 'look', program: assemble(node.ahead), wanted: node.wanted })
      return
    case 'all':
      for (const each of node.nodes) emit(each, steps)
      return
    case 'any':
      emitAny(node.nodes, steps)
      return
    case 'repeat':
      emitRepeat(node, steps)
  }
}

function emitAny(nodes: readonly Node[], steps: Step[]): void {
  const leaving: Extract<Step, { do: 'fork' }>[] = []
  nodes.forEach((node, i) => {
    const last = i === nodes.length - 1
    const fork = { do: 'fork' as const, to: steps.length + 1, or: 0 }
    if (!last) steps.push(fork)
    emit(node, steps)
    if (last) return
    const leave = { do: 'fork' as const, to: 0, or: 0 }
    leaving.push(leave)
    steps.push(leave)
    fork.or = steps.length
  })
  for (const leave of leaving) leave.to = leave.or = steps.length
}

function emitRepeat(node: Extract<Node, { is: 'repeat' }>, steps: Step[]): void {
  for (let i = 0; i < node.least; i++) emit(node.node, steps)
  if (node.most === Infinity) {
    const loop = { do: 'fork' as const, to: steps.length + 1, or: 0 }
    steps.push(loop)
    emit(node.node, steps)
    steps.push({ do: 'fork', to: steps.indexOf(loop), or: steps.indexOf(loop) })
    loop.or = steps.length
    return
  }
  const skips: Extract<Step, { do: 'fork' }>[] = []
  for (let i = node.least; i < node.most; i++) {
    const skip = { do: 'fork' as const, to: steps.length + 1, or: 0 }
    skips.push(skip)
    steps.push(skip)
    emit(node.node, steps)
  }
  for (const skip of skips) skip.or = steps.length
}

/** One text under one pattern. */
class Run {
  readonly #points: readonly number[]
  readonly #looked = new Map<Program, Map<number, boolean>>()
  readonly #budget: Budget

  constructor(points: readonly number[], budget: Budget) {
    this.#points = points
    this.#budget = budget
  }

  /** Whether `program` matches at `from`, or, unless `anchored`, anywhere after it. */
  matches(program: Program, from: number, anchored: boolean): boolean {
    const seen = new Int32Array(program.length).fill(-1)
    let states: number[] = []
    for (let at = from; ; at++) {
      if (at === from || !anchored) this.#enter(program, 0, at, { seen, states })
      if (states.some((state) => program[state]?.do === 'match')) return true
      const point = this.#points[at]
      if (point === undefined || (anchored && states.length === 0)) return false
      const next: number[] = []
      for (const state of states) {
        const step = program[state]
        if (step?.do !== 'read' || !holds(step.atom, point)) continue
        this.#enter(program, state + 1, at + 1, { seen, states: next })
      }
      states = next
    }
  }

  /** Adds to `states` all that `state` reaches without reading. */
  #enter(
    program: Program,
    state: number,
    at: number,
    into: { readonly seen: Int32Array; readonly states: number[] },
  ): void {
    const open = [state]
    for (let pc = open.pop(); pc !== undefined; pc = open.pop()) {
      if (into.seen[pc] === at) continue
      into.seen[pc] = at
      if (--this.#budget.left < 0) throw new PatternCost(TOO_DEAR)
      const step = program[pc]
      if (step === undefined) continue
      if (step.do === 'fork') open.push(step.or, step.to)
      else if (step.do === 'read' || step.do === 'match') into.states.push(pc)
      else if (step.do === 'edge' ? this.#edge(step.edge, at) : this.#look(step, at)) {
        open.push(pc + 1)
      }
    }
  }

  #edge(edge: Edge, at: number): boolean {
    if (edge === 'start') return at === 0
    if (edge === 'end') return at === this.#points.length
    return (isWord(this.#points[at - 1]) !== isWord(this.#points[at])) === (edge === 'boundary')
  }

  #look(step: Extract<Step, { do: 'look' }>, at: number): boolean {
    const known = this.#looked.get(step.program) ?? new Map<number, boolean>()
    this.#looked.set(step.program, known)
    const found = known.get(at) ?? this.matches(step.program, at, true)
    known.set(at, found)
    return found === step.wanted
  }
}

function holds(atom: Atom, point: number): boolean {
  return point < 128 ? atom.ascii[point] === 1 : atom.other.test(String.fromCodePoint(point))
}

function isWord(point: number | undefined): boolean {
  return point !== undefined && /^\w$/.test(String.fromCodePoint(point))
}
