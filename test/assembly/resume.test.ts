// Every kernel under the volunteer's runtime, killed and resumed at every step, through the options of its self-test.

import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { canonicalJson } from '#protocol/canonical.ts'
import type { Job } from '#protocol/job.ts'
import { KernelSource, selfTestBytes } from '#protocol/kernel.ts'
import { Sha256 } from '#protocol/units.ts'
import { type Order, type RunOutcome, type RunTask, runJob } from '#runtime/run.ts'
import { kernelOf, manifestOf, meteredOf, recipeOf } from './any-kernel.ts'

const sourceOf = (name: string) =>
  KernelSource.parse(
    JSON.parse(readFileSync(new URL(`../../assembly/${name}/manifest.json`, import.meta.url), 'utf8')),
  )

// The last: too short for its warm-up, its limit counts updates.
const NAMES = ['charlm', 'vision', 'cartpole']
const runs = NAMES.flatMap(name => {
  const { selfTest } = sourceOf(name)
  const [first] = selfTest.runs
  const hard = { ...first?.recipe, warmup: 10_000, final: 0, clip: 0.01 }
  const counted = { recipe: hard, limit: { updates: 1 }, seed: 2 ** 48 - 1 }
  return [...selfTest.runs.map(run => ({ ...run, seed: 0 })), counted].map((run, i) => ({ name, i, ...run }))
})

const modules = new Map<string, WebAssembly.Module>()
beforeAll(async () => {
  for (const name of NAMES) {
    const metered = meteredOf(await kernelOf(name))
    modules.set(name, await WebAssembly.compile(new Uint8Array(metered)))
  }
})

/** Runs with a clock that makes every step a slice. */
function run(task: RunTask, order: Order): Promise<RunOutcome> {
  let clock = 0
  const nowMs = () => {
    clock += 100
    return clock
  }
  return runJob(task, { gate: async () => order, save: async () => undefined, nowMs })
}

test.each(runs)(
  '$name, run $i: stopped at every step it has the same digest',
  async ({ name, recipe, limit, seed }) => {
    const manifest = manifestOf(name)
    const { data } = sourceOf(name).selfTest
    const job = {
      ...{ kernel: `${name}@1`, task: 'train', recipe: recipeOf(manifest, recipe) },
      ...{ seed, limit, marks: 8 },
    } as const satisfies Job
    const task: RunTask = {
      runKey: Sha256.parse('a'.repeat(64)),
      job: canonicalJson(job),
      fuelMax: 1e12,
      module: modules.get(name)!,
      data: manifest.slots.map((_, slot) => selfTestBytes(data, slot)),
    }
    const straight = await run(task, 'go')
    let outcome = await run(task, 'stop')
    let stops = 0
    for (; outcome.type === 'stopped'; stops++)
      outcome = await run({ ...task, checkpoint: outcome.checkpoint }, 'stop')
    if ('fuel' in limit) expect(stops).toBeGreaterThan(5)
    expect(outcome).toMatchObject({ type: 'report', report: { status: 'ok' } })
    expect(outcome.type === 'report' && outcome.digest).toBe(straight.type === 'report' && straight.digest)
  },
)
