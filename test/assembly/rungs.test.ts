// Runs that end early are prefixes of the whole run under the volunteer's runtime, whatever the kernel and what its limit counts.

import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { evaluationOf } from '#domain/evidence.ts'
import { type Job, jobText, type Recipe, type Rungs, rungEnd } from '#protocol/job.ts'
import { KernelSource, selfTestBytes } from '#protocol/kernel.ts'
import type { RunReport } from '#protocol/report.ts'
import { Sha256 } from '#protocol/units.ts'
import { type RunOutcome, runJob } from '#runtime/run.ts'
import { freely } from '#runtime/self-test.ts'
import { kernelOf, manifestOf, meteredOf, recipeOf } from './any-kernel.ts'

const NAMES = ['charlm', 'vision', 'cartpole']
const UNTIL = [0, 1, 2, 3] as const

const sourceOf = (name: string) =>
  KernelSource.parse(
    JSON.parse(readFileSync(new URL(`../../assembly/${name}/manifest.json`, import.meta.url), 'utf8')),
  )

const modules = new Map<string, WebAssembly.Module>()
beforeAll(async () => {
  for (const name of NAMES)
    modules.set(name, await WebAssembly.compile(new Uint8Array(meteredOf(await kernelOf(name)))))
})

interface Asked {
  readonly name: string
  readonly recipe: Recipe
  readonly limit: Job['limit']
}

type Ended = RunOutcome & { type: 'report' }

async function run(name: string, job: Job, weights: readonly Uint8Array[] = []): Promise<Ended> {
  const { data } = sourceOf(name).selfTest
  const slots = manifestOf(name).slots.map((_, slot) => selfTestBytes(data, slot))
  const outcome = await runJob(
    {
      runKey: Sha256.parse('a'.repeat(64)),
      job: jobText(job),
      fuelMax: 1e12,
      module: modules.get(name)!,
      data: [...slots, ...weights],
    },
    freely(() => performance.now()),
  )
  if (outcome.type !== 'report') throw new Error(JSON.stringify(outcome))
  return outcome
}

function jobOf({ name, recipe, limit }: Asked, rungs?: Rungs): Job {
  const whole = {
    ...{ kernel: `${name}@1`, task: 'train', recipe: recipeOf(manifestOf(name), recipe) },
    ...{ seed: 7, limit, marks: 8 },
  } as const satisfies Job
  return rungs === undefined ? whole : { ...whole, rungs }
}

const reportOf = async (one: Asked, rungs?: Rungs): Promise<RunReport> =>
  (await run(one.name, jobOf(one, rungs))).report

// By fuel; fewer updates than rungs, some of which then end together; and more than points of the curve.
const asked: Asked[] = NAMES.flatMap(name => {
  const [first] = sourceOf(name).selfTest.runs
  const { recipe, limit } = first!
  const fuel = 'fuel' in limit ? 8 * limit.fuel : 4e8
  return [{ fuel }, { updates: 5 }, { updates: 61 }].map(given => ({ name, recipe, limit: given }))
})

test.each(asked)('$name within $limit: each rung is a prefix of the next', async one => {
  const runs = await Promise.all(UNTIL.map(until => reportOf(one, { of: 4, until })))
  const whole = runs[3]!
  const planned = whole.counters.updatesPlanned!
  const evaluated = new Map(whole.curve.flatMap(({ update, val }) => (val === null ? [] : [[update, val]])))
  expect([...evaluated.keys()]).toEqual([...new Set(UNTIL.map(until => rungEnd(planned, until)))])
  runs.forEach((run, until) => {
    expect(run).toMatchObject({ status: 'ok', counters: { updatesPlanned: planned } })
    const end = rungEnd(planned, until)
    expect(run.counters.updates).toBe(end)
    expect(run.metric!.value).toBe(evaluated.get(end))
    expect(run.curve).toEqual(whole.curve.slice(0, run.curve.length))
    expect(run.curve.at(-1)!.update).toBe(end)
    // What is left of the trace is the state at the end, which a longer run leaves behind.
    const last = run.trace.at(-1)
    const marks = run.trace.filter(mark => mark !== last)
    expect(whole.trace.slice(0, marks.length)).toEqual(marks)
    if (until > 0) expect(run.fuelUsed).toBeGreaterThanOrEqual(runs[until - 1]!.fuelUsed)
  })
  if ('fuel' in one.limit) expect(planned).toBeGreaterThan(27)
  expect(runs[0]!.fuelUsed).toBeLessThan(whole.fuelUsed * ('fuel' in one.limit ? 0.4 : 1))
})

test.each(asked.filter(({ limit }) => 'updates' in limit))(
  '$name within $limit: being evaluated on the way changes no weight',
  async one => {
    const plain = await reportOf(one)
    const whole = await reportOf(one, { of: 4, until: 3 })
    expect(whole.artifactSha256).toBe(plain.artifactSha256)
    expect(whole.metric).toEqual(plain.metric)
  },
)

test.each(NAMES)('the weights of a prefix of %s evaluate to its metric', async name => {
  const one = asked.find(({ limit, name: of }) => of === name && 'fuel' in limit)!
  const job = jobOf(one, { of: 4, until: 1 })
  const { report, artifact } = await run(name, job)
  const evaluated = await run(name, evaluationOf(jobText(job)), [artifact!])
  expect(evaluated.report.metric).toEqual(report.metric)
})
