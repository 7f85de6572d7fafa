import { canonicalJson, sha256Text } from '#protocol/canonical.ts'
import type { RunReport } from '#protocol/report.ts'
import type { RunOutcome } from '#runtime/run.ts'
import type { Compute } from '#runtime/volunteer.ts'

/** Enough to lead the board, too little to look absurd. */
const LIE = 0.93

/** What a liar says of an honest metric. */
type Told = (metric: number) => number

/**
 * A volunteer that lies: it computes honestly, and after `honestRuns` runs tells another metric, by default a factor lower, and makes
 * the whole report consistent with it (curve, canonical text, digest, and the signature that the client puts on whatever
 * it sends). Everything else is the ordinary client.
 */
export function lying({
  honestRuns = 0,
  told = (metric: number) => metric * LIE,
} = {}): (honest: Compute) => Compute {
  let runs = 0
  return honest => async (run, control, signal) => {
    const outcome = await honest(run, control, signal)
    if (outcome.type !== 'report' || outcome.report.metric === null) return outcome
    runs += 1
    return runs <= honestRuns ? outcome : improve(outcome, outcome.report, told)
  }
}

async function improve(
  outcome: Extract<RunOutcome, { type: 'report' }>,
  { metric, curve, ...rest }: RunReport,
  told: Told,
): Promise<RunOutcome> {
  if (metric === null) return outcome
  const report: RunReport = {
    ...rest,
    metric: { ...metric, value: told(metric.value) },
    curve: curve.map(point => ({ ...point, val: point.val === null ? null : told(point.val) })),
  }
  const text = canonicalJson(report)
  return { ...outcome, report, text, digest: await sha256Text(text) }
}
