import type { Facts } from './facts.ts'
import { gfuel } from './numbers.ts'

/** The budget of each run, in words. */
export function budgetOf({ budget }: Facts['file']): string {
  if (budget.fuel_per_run !== undefined) return gfuel(budget.fuel_per_run)
  return budget.flops_per_run === undefined
    ? `${budget.updates_per_run} updates`
    : `${budget.flops_per_run / 1e9} GFLOP`
}

/** What rows of the leaderboard say that were not computed by the kernel itself. */
export function nativeCaveats({ rows }: Facts['leaderboard']): string[] {
  const classes = [...new Set(rows.flatMap(row => row.engines))].sort()
  const notRerun = rows.filter(row => row.exactness === 'not_rerun').length
  return [
    ...(classes.length > 1
      ? [
          `Values come from several engine classes (${classes.join(', ')}): differences below the tolerance between them say nothing.`,
        ]
      : []),
    ...(notRerun > 0
      ? [
          `${notRerun} configurations are not re-run exactly: their metrics are those of their weights, which nobody has trained again with the kernel or on a host of the operator.`,
        ]
      : []),
  ]
}
