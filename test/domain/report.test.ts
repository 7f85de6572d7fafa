import { expect, test } from 'vitest'
import { type ExaminedReport, type ReportedResult, receiveSuccess } from '#domain/report.ts'
import { KernelMetric } from '#protocol/kernel.ts'
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
    metricFloor: null,
    job: JSON.stringify(job),
    fuelMax: 1e9,
    metric: KernelMetric.parse(metric),
  },
})

function reportOf(value: number): ExaminedReport {
  const run = runReport({ metric: { name: 'score', value } })
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
