/**
 * Canonical absolute paths and URIs: texts that every parser on the way reads as the same place.
 *
 * `canonicalSegments` refuses rather than repairs: a path that means another place to somebody else
 * (`..`, `//`, an encoded slash, a backslash, a look-alike of a dot) must not meet a `prefix`.
 */

import { type Result, ok, refuse } from '../base/result.ts'

/** A path in canonical form: what stands before its first segment (empty, or `file://`), and the segments. */
export interface CanonicalPath {
  readonly root: string
  readonly segments: readonly string[]
}

/** `scheme://authority`, in lower case. The authority may be empty, as in `file:///`. */
const ROOT =
  /^(?:[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*(?::[1-9][0-9]{0,4})?)?)?(?=\/)/
/** A percent-encoded dot, slash, backslash, percent sign or control character, whoever decodes it. */
const HIDDEN = /%(?:2[ef5]|5c|[01][0-9a-f]|7f|c[01])/i
/** Control, format, surrogate, separator and other characters that cannot be seen. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u

/** Splits a canonical absolute path or URI; `/` alone has no segments. */
export function canonicalSegments(
  value: string,
): Result<CanonicalPath, { reason: 'not_canonical' }> {
  const root = ROOT.exec(value)?.[0]
  if (root === undefined || HIDDEN.test(value) || INVISIBLE.test(value)) {
    return refuse({ reason: 'not_canonical' })
  }
  // RFC 3986 §3.4, §3.5: a query or fragment names something other than the path does.
  if (root !== '' && /[?#]/.test(value)) return refuse({ reason: 'not_canonical' })
  const segments = value.slice(root.length + 1).split('/')
  if (segments.length === 1 && segments[0] === '') return ok({ root, segments: [] })
  return segments.every(isPlain) ? ok({ root, segments }) : refuse({ reason: 'not_canonical' })
}

/** Whether `path` is `prefix` or lies below it, by whole segments. */
export function isAtOrBelow(path: CanonicalPath, prefix: CanonicalPath): boolean {
  return (
    path.root === prefix.root && prefix.segments.every((segment, i) => path.segments[i] === segment)
  )
}

/** Not empty, not a dot segment under any reading, and the same name on every file system. */
function isPlain(segment: string): boolean {
  // A compatibility form (U+FF0F, U+2024, …) may be folded into the character that it looks like.
  const folded = segment.normalize('NFKC')
  // Windows drops dots and spaces at the end of a name: `..` and `. .` are among these.
  return folded !== '' && !/[/\\]|[. ]$|^ /.test(folded)
}
