/**
 * A volunteer that lies: it computes honestly, then lowers its metric and makes the whole report consistent with it
 * (curve, canonical text, digest, and the signature that the client puts on whatever it sends). Everything else is the
 * ordinary client.
 */

import { canonicalJson, sha256Text } from '#protocol/canonical.ts'
import type { RunReport } from '#protocol/report.ts'
import type { RunOutcome } from '#runtime/run.ts'
import type { Compute } from '#runtime/volunteer.ts'
import { runProgram } from '../../client/node/program.ts'

/** Enough to lead the board, too little to look absurd. */
const LIE = 0.93

const lying =
  (honest: Compute): Compute =>
  async (run, control, signal) => {
    const outcome = await honest(run, control, signal)
    return outcome.type === 'report' && outcome.report.metric !== null
      ? lie(outcome, outcome.report)
      : outcome
  }

async function lie(
  outcome: Extract<RunOutcome, { type: 'report' }>,
  { metric, curve, ...rest }: RunReport,
): Promise<RunOutcome> {
  if (metric === null) return outcome
  const report: RunReport = {
    ...rest,
    metric: { ...metric, value: metric.value * LIE },
    curve: curve.map(point => ({ ...point, val: point.val === null ? null : point.val * LIE })),
  }
  const text = canonicalJson(report)
  return { ...outcome, report, text, digest: await sha256Text(text) }
}

process.exitCode = await runProgram(['up', ...process.argv.slice(2)], { wrapCompute: lying })
