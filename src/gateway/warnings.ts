/** Unresolved warnings in a tool's result, where its review says they stand. */

import type { JsonObject } from '../base/canonical-json.ts'
import { valuesAt } from '../delegation/argument-path.ts'
import { isObject } from '../mcp/message.ts'
import type { Target } from './target.ts'

/** What an entry keeps of warnings: at most 20, each cut to 500 characters. */
export function warningsIn(result: JsonObject, target: Target): string[] {
  const { structuredContent } = result
  if (target.warnings === undefined || !isObject(structuredContent)) return []
  const found = valuesAt(structuredContent, target.warnings)
  if (found.kind !== 'values') return []
  return (
    found.values
      .slice(0, 20)
      .map((value) => (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 500))
      // A cut between two surrogates leaves what no entry can hold.
      .map((text) => text.toWellFormed())
  )
}
