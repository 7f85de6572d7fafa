import { expect, test } from 'vitest'
import { type ExaminedReport, type ReportedResult, receiveSuccess } from '#domain/report.ts'
import { KernelMetric } from '#protocol/kernel.ts'
import { RunReport } from '#protocol/report.ts'
import { runReport, sha256, T0, testIds } from '../support/builders.ts'

const HOST = testIds.host(T0)
const RESULT = testIds.result(T0)

const job = {
  ...{ kernel: 'some@0', task: 'train', recipe: {}, seed: 1 },
  ...{ limit: { fuel: 1e9 }, marks: 8 },
}

const resultOf = (metric: object): ReportedResult => ({
  ...{ hostId: HOST, state: 'in_progress', outcome: null, deadline: T0, graceUntil: T0, digest: null },
  ...{
    unitOpen: true,
    engineClass: 'wasm',
    flops: null,
    metricFloor: null,
    job: JSON.stringify(job),
    fuelMax: 1e9,
    metric: KernelMetric.parse(metric),
  },
})

const reportOf = (value: number): ExaminedReport => examined(runReport({ metric: { name: 'score', value } }))

function examined(run: RunReport): ExaminedReport {
  const text = JSON.stringify(run)
  const facts = { signature: 'unchecked here', cpuMs: 1 }
  return { run, sent: { resultId: RESULT, outcome: 'success', digest: sha256(text), report: text, ...facts } }
}

/** V0 knows of a metric what the kernel's manifest says, whichever way it is better. */
test.each([
  ['by default nothing is below zero', {}, -0.001, 'refuse'],
  ['by default all above is possible', {}, 1e9, 'accept'],
  ['a return of 200 is the greatest', { goal: 'maximize', maximum: 200 }, 200, 'accept'],
  ['a return above it is no honest one', { goal: 'maximize', maximum: 200 }, 200.01, 'refuse'],
  ['a kernel may say that its metric falls below zero', { minimum: -500 }, -499, 'accept'],
  ['and how far', { minimum: -500 }, -501, 'refuse'],
])('%s', (_, range, value, outcome) => {
  const metric = { name: 'score', goal: 'minimize', ...range }
  const reception = receiveSuccess(reportOf(value), resultOf(metric), HOST, T0)
  expect(reception.type).toBe(outcome)
  if (reception.type === 'refuse')
    expect(reception).toMatchObject({
      code: 'report_inconsistent',
      penal: true,
      detail: expect.stringContaining('outside'),
    })
})

const val = (update: number) => ({ update, fuel: update / 100, train: 3, val: 3 })

/** Of 100 updates the rungs are 4, 12, 34 and all. */
test.each([
  ['the second rung', 12, [4, 12], undefined],
  ['the first rung', 4, [4], 'updates: rung 1 of 100 ends at 12'],
  ['a whole run', 100, [4, 12, 34, 100], 'updates: rung 1 of 100 ends at 12'],
  ['a run that was never evaluated on the way', 12, [12], 'curve: no evaluation at update 4'],
])('asked for the second rung, %s', (_, updates, evaluated, detail) => {
  const run = runReport({
    metric: { name: 'score', value: 3 },
    counters: { updates, updatesPlanned: 100 },
    curve: evaluated.map(val),
  })
  const rungs = {
    ...resultOf({ name: 'score', goal: 'minimize' }),
    job: JSON.stringify({ ...job, rungs: { of: 4, until: 1 } }),
  }
  const refused = { type: 'refuse', code: 'report_inconsistent', penal: true, detail }
  expect(receiveSuccess(examined(run), rungs, HOST, T0)).toEqual(
    detail === undefined ? { type: 'accept', late: false } : refused,
  )
})

const NATIVE: Partial<RunReport> = {
  engine: 'onnx-cpu',
  trace: [],
  fingerprint: [{ norm: 1, projections: [1, -1, 0.5, 0] }],
  artifactSha256: sha256('weights'),
}

test('a report is of the engine class that was asked', () => {
  const asked = { ...resultOf({ name: 'val_bpb', goal: 'minimize' }), engineClass: 'onnx-cpu' as const }
  const native = examined(runReport(NATIVE))
  expect(receiveSuccess(native, asked, HOST, T0)).toEqual({ type: 'accept', late: false })
  for (const [report, result] of [
    [native, { ...asked, engineClass: 'wasm' as const }],
    [native, { ...asked, engineClass: 'onnx-cuda' as const }],
    [examined(runReport()), asked],
  ] as const)
    expect(receiveSuccess(report, result, HOST, T0)).toMatchObject({
      code: 'report_inconsistent',
      penal: true,
    })
})

test.each([
  ['marks', { ...NATIVE, trace: runReport().trace }],
  ['no fingerprint', { ...NATIVE, fingerprint: undefined }],
  ['no weights', { ...NATIVE, artifactSha256: null }],
  ['a fingerprint of a diverged run', { ...NATIVE, status: 'diverged', metric: null }],
  ['a fingerprint of what the kernel computed', { fingerprint: NATIVE.fingerprint }],
  ['the name of the kernel itself', { ...NATIVE, engine: 'wasm' }],
])('a native report with %s is none', (_, changes) => {
  expect(RunReport.safeParse({ ...runReport(), ...changes }).success).toBe(false)
})
