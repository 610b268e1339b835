/**
 * Selectors: what a process must be to speak for an agent. An agent is attested when *every* selector
 * of its holds; one without selectors is attested by nobody.
 *
 * `unix:uid:<n>`, `unix:gid:<n>`: the process's effective ids. `unix:path:<absolute path>`: the
 * executable it runs. `unix:sha256:<64 hex digits>`: the bytes of that executable.
 */

import { ok, refuse, type Result } from '../base/result.ts'

/** One demand on a process. */
export type Selector =
  | { readonly kind: 'uid' | 'gid'; readonly value: number }
  | { readonly kind: 'path' | 'sha256'; readonly value: string }

/** Why selectors were refused: the first one that is wrong. */
export type SelectorRefusal = {
  readonly reason: 'bad_selector' | 'duplicate_selector' | 'too_many_selectors'
  readonly message: string
}

/** The entry of the log has room for this many. */
const MAX_SELECTORS = 20
const MAX_LENGTH = 300
const NUMBER = /^(?:0|[1-9][0-9]{0,9})$/
/** 2^32 - 1 means "no such id" to the kernel. */
const MAX_ID = 0xffff_fffe

/** The selectors in `texts`, each kind at most once: two uids could never hold at the same time. */
export function parseSelectors(
  texts: readonly string[],
): Result<readonly Selector[], SelectorRefusal> {
  if (texts.length > MAX_SELECTORS) {
    return refuse({
      reason: 'too_many_selectors',
      message: `expected at most ${MAX_SELECTORS} selectors, got ${texts.length}`,
    })
  }
  const selectors: Selector[] = []
  for (const text of texts) {
    const selector = parseSelector(text)
    if (selector === undefined) {
      return refuse({
        reason: 'bad_selector',
        message: `expected \`unix:uid:…\`, \`unix:gid:…\`, \`unix:path:/…\` or \`unix:sha256:…\`, got \`${text}\``,
      })
    }
    if (selectors.some(({ kind }) => kind === selector.kind)) {
      return refuse({
        reason: 'duplicate_selector',
        message: `expected one \`unix:${selector.kind}\` selector, got another: \`${text}\``,
      })
    }
    selectors.push(selector)
  }
  return ok(selectors)
}

function parseSelector(text: string): Selector | undefined {
  const [type, kind, ...rest] = text.split(':')
  const value = rest.join(':')
  if (type !== 'unix' || text.length > MAX_LENGTH) return undefined
  switch (kind) {
    case 'uid':
    case 'gid':
      return NUMBER.test(value) && Number(value) <= MAX_ID
        ? { kind, value: Number(value) }
        : undefined
    case 'path':
      return isPlainPath(value) ? { kind, value } : undefined
    case 'sha256':
      return /^[0-9a-f]{64}$/.test(value) ? { kind, value } : undefined
    default:
      return undefined
  }
}

/** An absolute path as the kernel spells it; any other could never be equal to an executable's. */
function isPlainPath(path: string): boolean {
  const [root, ...segments] = path.split('/')
  return (
    root === '' &&
    !path.includes('\0') &&
    segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  )
}
