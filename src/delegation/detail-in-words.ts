/** One part of an intent as a person reads it before they hand it over: a sentence that leaves nothing out. */

import { instant } from '../audit/story-words.ts'
import type { Json } from '../base/canonical-json.ts'
import { argumentsKey, type Condition, type McpCallDetail, predicates } from './intent.ts'

/**
 * "may call `refund` of shop where `order` is "17" and `amount` is at most 30, once". Names of servers stand
 * for their locations; who has to say yes stands as an identifier.
 */
export function inPlainWords(detail: McpCallDetail): string {
  const { actions, locations, stages, limits, approval } = detail
  const servers = locations.map((location) => location.split('/').at(-1)).join(' or ')
  return [
    `may ${inOrder(actions)} of ${servers}`,
    ...conditionWords(detail),
    ...(stages === undefined ? [] : [`, in stage ${stages.join(' or ')}`]),
    ...limitWords(limits ?? {}),
    ...(approval === undefined ? [] : [`, each time only after a yes by ${approval.by}`]),
  ].join('')
}

/** `tools/call:refund` → call `refund`; another method keeps its name. */
function inOrder(actions: readonly string[]): string {
  const tools = actions.filter((action) => action.startsWith('tools/call:'))
  const others = actions.filter((action) => !tools.includes(action))
  const called = tools.map((action) => `\`${argumentsKey(action)}\``).join(', ')
  return [...(called === '' ? [] : [`call ${called}`]), ...others.map((one) => `\`${one}\``)].join(
    ' and ',
  )
}

function conditionWords({ actions, arguments: all = {} }: McpCallDetail): string[] {
  return Object.entries(all).flatMap(([key, conditions]) => {
    const words = Object.entries(conditions).map(
      ([path, condition]) => `\`${path}\` is ${wordsOf(condition)}`,
    )
    if (words.length === 0) return []
    const whose = actions.length > 1 ? ` of \`${key}\`` : ''
    return [`${whose === '' ? ' where ' : `; where${whose} `}${words.join(' and ')}`]
  })
}

function wordsOf(condition: Condition): string {
  return predicates(condition)
    .map((predicate) => {
      switch (predicate.name) {
        case 'equals':
          return quoted(predicate.operand)
        case 'oneOf':
          return predicate.operand.map(quoted).join(' or ')
        case 'prefix':
          return `at or below ${quoted(predicate.operand)}`
        case 'min':
          return `at least ${predicate.operand}`
        case 'max':
          return `at most ${predicate.operand}`
        case 'sum':
          return `at most ${predicate.operand} over all calls together`
        case 'host':
          return `a link to ${quoted(predicate.operand)}`
        case 'any':
          return 'anything'
        case 'pattern':
          return `like ${quoted(predicate.operand)}`
        default:
          throw new TypeError(
            `expected a predicate, got ${JSON.stringify(predicate satisfies never)}`,
          )
      }
    })
    .join(' and ')
}

function limitWords({ calls, sum = {}, until }: NonNullable<McpCallDetail['limits']>): string[] {
  const times = calls === 1 ? 'once' : `at most ${calls} times`
  return [
    ...(calls === undefined ? [] : [`, ${times}`]),
    ...Object.entries(sum).map(([path, most]) => `, \`${path}\` at most ${most} in all`),
    // A template has a parameter in its place.
    ...(until === undefined
      ? []
      : [`, until ${typeof until === 'number' ? instant(until * 1_000) : until}`]),
  ]
}

/** As JSON has it: what was written with spaces or signs at its ends is seen to be so. */
function quoted(value: Json): string {
  return JSON.stringify(value)
}
