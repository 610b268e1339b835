/** How far a share of few cases may lie from the truth. */

/** Wilson's interval for `hits` of `n` at 95 %: it holds at 0 and at all, where the plain one has no width. */
export function wilson(hits: number, n: number): readonly [number, number] {
  if (n === 0) return [0, 1]
  const z = 1.959964
  const share = hits / n
  const middle = share + (z * z) / (2 * n)
  const half = z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n))
  const all = 1 + (z * z) / n
  return [Math.max(0, (middle - half) / all), Math.min(1, (middle + half) / all)]
}
