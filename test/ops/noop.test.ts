import { expect, test } from 'vitest'
import { checkProject } from '#ops/kernels/check.ts'
import { NOOP_DIRECTORY, NOOP_FUEL, noopReport } from '#ops/load/noop.ts'
import { jobText } from '#protocol/job.ts'
import { MARKS } from '#protocol/limits.ts'
import { Sha256, Versioned } from '#protocol/units.ts'
import { runJob } from '#runtime/run.ts'
import { freely } from '#runtime/self-test.ts'

test('what the load says of a run is what the kernel says', async () => {
  const { module } = await checkProject(NOOP_DIRECTORY)
  const compiled = await WebAssembly.compile(new Uint8Array(module))
  const cases = [
    { recipe: { x: 0, y: 0 }, seed: 1 },
    { recipe: { x: 999_999, y: 3 }, seed: 123_456_789_012_345 },
    { recipe: { x: 17, y: 55_555 }, seed: 0 },
  ]
  async function run(job: string, data: readonly Uint8Array[]) {
    const task = { runKey: Sha256.parse('0'.repeat(64)), job, fuelMax: NOOP_FUEL, module: compiled, data }
    const control = freely(() => performance.now())
    const ran = await runJob(task, control)
    expect(ran).toMatchObject({ type: 'report', ...noopReport(job) })
    if (ran.type !== 'report') throw new Error(ran.type)
    return ran
  }
  for (const { recipe, seed } of cases) {
    const job = {
      kernel: Versioned.parse('noop@1'),
      recipe,
      seed,
      limit: { fuel: NOOP_FUEL },
      marks: MARKS,
    } as const
    const trained = await run(jobText({ ...job, task: 'train' }), [])
    await run(jobText({ ...job, task: 'evaluate' }), [trained.artifact!])
  }
})
