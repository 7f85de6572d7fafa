import { canonicalJson, sha256Text } from '#protocol/canonical.ts'
import type { RunReport } from '#protocol/report.ts'
import type { RunOutcome } from '#runtime/run.ts'
import type { Compute } from '#runtime/volunteer.ts'

/** Enough to lead the board, too little to look absurd. */
const LIE = 0.93

/**
 * A volunteer that lies: it computes honestly, and after `honestRuns` runs lowers its metric by the factor `lie` and makes
 * the whole report consistent with it (curve, canonical text, digest, and the signature that the client puts on whatever
 * it sends). Everything else is the ordinary client.
 */
export function lying({ honestRuns = 0, lie = LIE } = {}): (honest: Compute) => Compute {
  let runs = 0
  return honest => async (run, control, signal) => {
    const outcome = await honest(run, control, signal)
    if (outcome.type !== 'report' || outcome.report.metric === null) return outcome
    runs += 1
    return runs <= honestRuns ? outcome : improve(outcome, outcome.report, lie)
  }
}

async function improve(
  outcome: Extract<RunOutcome, { type: 'report' }>,
  { metric, curve, ...rest }: RunReport,
  lie: number,
): Promise<RunOutcome> {
  if (metric === null) return outcome
  const report: RunReport = {
    ...rest,
    metric: { ...metric, value: metric.value * lie },
    curve: curve.map(point => ({ ...point, val: point.val === null ? null : point.val * lie })),
  }
  const text = canonicalJson(report)
  return { ...outcome, report, text, digest: await sha256Text(text) }
}
