// The kernel under the volunteer's own runtime: the report and its digest.

import { beforeAll, describe, expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import { Sha256 } from '#protocol/units.ts'
import { type Order, type RunOutcome, type RunTask, runJob } from '#runtime/run.ts'
import { type KernelJob, moduleOf, RECIPE, sampleText } from './drive.ts'

let module: WebAssembly.Module
beforeAll(async () => {
  const admission = admit(await moduleOf('charlm'))
  if (!admission.ok) throw new Error(JSON.stringify(admission.refusals))
  module = await WebAssembly.compile(new Uint8Array(admission.module))
})

const train = sampleText(20_000)
const val = sampleText(3_000, 7)
const recipe = { ...RECIPE, depth: 1, width: 16, context: 16, batch: 4 }

function taskOf(job: KernelJob, data: readonly Uint8Array[] = [train, val]): RunTask {
  const { task = 'train', limit } = job
  const text = canonicalJson({
    kernel: 'charlm@1',
    task,
    recipe: { ...recipe, ...job.recipe },
    seed: 1,
    limit,
    marks: 8,
  })
  return { runKey: Sha256.parse('a'.repeat(64)), job: text, fuelMax: 1e12, module, data }
}

/** Runs with a clock that makes every step a slice; `orders` answers the gate, slice by slice. */
async function run(task: RunTask, orders: (slice: number) => Order = () => 'go'): Promise<RunOutcome> {
  let clock = 0
  let slice = 0
  const saved: Uint8Array[] = []
  return runJob(task, {
    gate: async () => orders(slice++),
    save: async checkpoint => {
      saved.push(checkpoint)
    },
    nowMs: () => {
      clock += 100
      return clock
    },
  })
}

function reported(outcome: RunOutcome) {
  if (outcome.type !== 'report') throw new Error(JSON.stringify(outcome))
  return outcome
}

describe('under the volunteer runtime', () => {
  const job: KernelJob = { limit: { fuel: 2_000_000_000 } }

  // Why the digest of another run is no proof of a copy (ops/decisions/0007).
  test('recipes that differ only in what has no effect have one report, marks and artifact included', async () => {
    const short = { limit: { fuel: 150_000_000 } }
    const reports = [0.81, 0.93].map(momentum =>
      run(taskOf({ ...short, recipe: { ...RECIPE, ...recipe, momentum } })),
    )
    const [a, b] = (await Promise.all(reports)).map(outcome => reported(outcome).report)
    expect(a).toMatchObject({ status: 'ok' })
    expect(a).toEqual(b)
  })

  test('a run reports a metric, eight marks, its fuel and the hash of its weights', async () => {
    const { report, artifact } = reported(await run(taskOf(job)))
    expect(report.status).toBe('ok')
    expect(report.metric?.name).toBe('val_bpb')
    expect(new Set(report.trace).size).toBe(8)
    expect(report.fuelUsed).toBeGreaterThan(0.96 * 2e9)
    expect(report.fuelUsed).toBeLessThanOrEqual(2e9)
    expect(artifact?.length).toBe(320 + (report.counters.parameters ?? 0) * 4)
  })

  test('stopped after any slice and resumed, as often as one likes, it has the same digest', async () => {
    const straight = reported(await run(taskOf(job)))
    let outcome = await run(taskOf(job), slice => (slice === 0 ? 'stop' : 'go'))
    let stops = 0
    while (outcome.type === 'stopped') {
      stops += 1
      const { checkpoint } = outcome
      outcome = await run({ ...taskOf(job), checkpoint }, slice =>
        slice === stops % 3 ? 'stop' : 'checkpoint',
      )
    }
    expect(stops).toBeGreaterThan(2)
    expect(reported(outcome).digest).toBe(straight.digest)
  })

  test('the weights, evaluated, give the metric of the report', async () => {
    const trained = reported(await run(taskOf(job)))
    if (trained.artifact === null) throw new Error('no weights')
    const judged = reported(await run(taskOf({ ...job, task: 'evaluate' }, [train, val, trained.artifact])))
    expect(judged.report.metric).toEqual(trained.report.metric)
    expect(judged.report.status).toBe('ok')
  })

  test('too little fuel for its evaluation is infeasible; too little for one update is a trap', async () => {
    expect(reported(await run(taskOf({ limit: { fuel: 9_000_000 } }))).report.status).toBe('infeasible')
    expect(reported(await run(taskOf({ limit: { fuel: 1_200_000 } }))).report.status).toBe('trapped')
  })

  test('a recipe that needs too much memory is refused with a reason that names it', async () => {
    const wide = { depth: 8, width: 512, heads: 1, context: 256, batch: 64 }
    const outcome = await run(taskOf({ limit: { updates: 1 }, recipe: wide }))
    expect(outcome).toMatchObject({ type: 'error', code: 'kernel_refused' })
    expect(outcome.type === 'error' && outcome.detail).toContain('more memory than the manifest declares')
  })
})
