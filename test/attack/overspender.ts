// A volunteer that trains with ten times the budget and reports it as one: its weights do reach what it claims.

import { canonicalJson, sha256Text } from '#protocol/canonical.ts'
import { Job, jobText } from '#protocol/job.ts'
import type { Compute } from '#runtime/volunteer.ts'
import { runProgram } from '../../client/node/program.ts'

const TIMES = 10

const overspending =
  (honest: Compute): Compute =>
  async ({ task, ...run }, control, signal) => {
    const job = Job.parse(JSON.parse(task.job))
    if (!('fuel' in job.limit)) throw new Error('this campaign limits fuel')
    const limit = { fuel: TIMES * job.limit.fuel }
    const greedy = { ...task, job: jobText({ ...job, limit }), fuelMax: TIMES * task.fuelMax }
    const outcome = await honest({ ...run, task: greedy }, control, signal)
    if (outcome.type !== 'report') return outcome
    const report = { ...outcome.report, fuelUsed: Math.floor(outcome.report.fuelUsed / TIMES) }
    const text = canonicalJson(report)
    return { ...outcome, report, text, digest: await sha256Text(text) }
  }

process.exitCode = await runProgram(['up', ...process.argv.slice(2)], { wrapCompute: overspending })
