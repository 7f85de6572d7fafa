// The native engine beside the WASM kernel: the same recipe from the same weights over the same batches.

import { describe, expect, test } from 'vitest'
import { artifactBytes } from '#client/onnx/start.ts'
import { type NativeTask, type Progress, type Trained, trainNatively } from '#client/onnx/train.ts'
import { runAny } from '../../assembly/any-kernel.ts'
import { DEVICES } from './session.ts'
import { CASES, prepare, SEED, UPDATES } from './tasks.ts'

const onward = {
  between: async () => 'go' as const,
  evaluate: async () => 0,
  nowMs: () => performance.now(),
}
// Rounding differs in every operation and grows along the run; wrong arithmetic is hundreds of times further off.
const LOSS_BITS = 2e-4
const METRIC_BITS = 2e-4

describe.each(DEVICES)('on $device the native engine follows the kernel', ({ isMissing, runtime }) => {
  const train = (task: NativeTask, control: Parameters<typeof trainNatively>[2] = onward): Promise<Trained> =>
    trainNatively(task, runtime(), control)

  test.skipIf(isMissing).each(CASES)('%s %j', async (name, changes) => {
    const { kernel, module, data, preface, task } = await prepare(name, changes)
    const job = { recipe: changes, seed: SEED, limit: { updates: UPDATES } }
    const { said } = await runAny(module, kernel.manifest, job, data)
    const native = await train(task)
    expect(native.status).toBe('ok')
    const points = said.curve.filter(point => point.train !== null)
    const curve = native.progress.losses.points
    expect(curve.map(point => point.update)).toEqual(points.map(point => point.update))
    for (const [i, { train: loss }] of curve.entries())
      expect(Math.abs((loss ?? 99) - (points[i]?.train ?? 0)), `update ${i + 1}`).toBeLessThan(LOSS_BITS)
    // The kernel itself judges the weights.
    const artifact = artifactBytes(preface, native.parameters)
    const judged = await runAny(module, kernel.manifest, { ...job, task: 'evaluate' }, [...data, artifact])
    expect(Math.abs((judged.said.metric?.value ?? 0) - (said.metric?.value ?? 9))).toBeLessThan(METRIC_BITS)
  })

  // With the defaults, whose rate is full after ten updates, one last bit of one weight comes to more (ops/decisions/0038).
  test.skipIf(isMissing)(
    'through the first hundred updates of a recipe that trains calmly, within 1e-3 bits at each point',
    async () => {
      const changes = { lr: 0.001, warmup: 100 }
      const { kernel, module, data, task } = await prepare('charlm', changes, 100)
      const { said } = await runAny(
        module,
        kernel.manifest,
        { recipe: changes, seed: SEED, limit: { updates: 100 } },
        data,
      )
      const native = await train(task)
      const losses = new Map(native.progress.losses.points.map(({ update, train: loss }) => [update, loss]))
      const points = said.curve.filter(point => point.train !== null)
      expect(points.length).toBeGreaterThanOrEqual(50)
      for (const { update, train: loss } of points)
        expect(Math.abs((losses.get(update) ?? 99) - (loss ?? 0)), `update ${update}`).toBeLessThan(1e-3)
    },
  )

  test.skipIf(isMissing)('a stopped run goes on to the same weights', async () => {
    const { task } = await prepare('charlm', {})
    const whole = await train(task)
    let left: Progress | undefined
    const stopped = await train(task, {
      ...onward,
      between: async ({ update, capture }) => {
        left = capture()
        return update > 10 ? 'stop' : 'go'
      },
    })
    expect(stopped.status).toBe('stopped')
    expect(left?.update).toBeLessThan(UPDATES)
    const resumed = await train({ ...task, resumed: left })
    expect(resumed.parameters).toEqual(whole.parameters)
    expect(resumed.progress.losses).toEqual(whole.progress.losses)
  })

  test.skipIf(isMissing)('a run that leaves all numbers behind has diverged', async () => {
    const changes = {
      optimizer: 'sgd',
      lr: 1,
      momentum: 0.99,
      clip: 1000,
      head: 'untied',
      schedule: 'constant',
    }
    const { task } = await prepare('charlm', { ...changes, softcap: 0, warmup: 0 })
    expect((await train({ ...task, updates: 400 })).status).toBe('diverged')
  })
})
