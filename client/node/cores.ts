import { CORES_MAX } from '#protocol/limits.ts'

/**
 * How many cores `--cores` asks for on a machine with `available`: a number, a percentage, or MAX with an optional
 * difference ("4", "50%", "MAX", "MAX-1"). At least one, at most what there is; undefined if it is none of these.
 */
export function coresOf(expression: string, available: number): number | undefined {
  const wanted = evaluate(expression.trim(), available)
  if (wanted === undefined) return undefined
  return Math.max(1, Math.min(available, CORES_MAX, Math.floor(wanted)))
}

function evaluate(expression: string, available: number): number | undefined {
  const percent = /^(\d{1,3}(?:\.\d+)?)%$/.exec(expression)?.[1]
  if (percent !== undefined) return (available * Number(percent)) / 100
  const below = /^MAX(?:-(\d+))?$/i.exec(expression)
  if (below !== null) return available - Number(below[1] ?? 0)
  return /^\d+$/.test(expression) && Number(expression) > 0 ? Number(expression) : undefined
}
