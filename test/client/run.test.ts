import { describe, expect, test } from 'vitest'
import { sha256Text } from '#protocol/canonical.ts'
import { MARKS } from '#protocol/limits.ts'
import { RunReport } from '#protocol/report.ts'
import { runJob } from '#runtime/run.ts'
import {
  deepRecursion,
  dividingByZero,
  endlessFill,
  endlessLoop,
  lateGrowth,
  memoryBomb,
  readingOutOfBounds,
  trapping,
} from '#support/hostile.ts'
import { admitted, kernelModule, OWN_FUNCTIONS } from '#support/kernel-modules.ts'
import { call, get, globalSet, i32, i64, OPS, TYPE } from '#support/wasm-builder.ts'
import { reported, scripted, TOY_FUEL, TOY_UPDATES, toyTask } from './toy.ts'

describe('a run of a well-behaved kernel', () => {
  test('ends in a report whose text has the digest and parses as the contract says', async () => {
    const { report, text, digest, artifact } = reported(await runJob(await toyTask(), scripted()))
    expect(RunReport.parse(JSON.parse(text))).toEqual(report)
    expect(digest).toBe(await sha256Text(text))
    expect(report.status).toBe('ok')
    expect(report.metric?.name).toBe('toy_loss')
    expect(report.metric?.value).toBeCloseTo(8 * 0.97 ** TOY_UPDATES, 12)
    expect(report.counters).toEqual({ updates: TOY_UPDATES })
    expect(report.fuelUsed).toBeGreaterThan(0)
    expect(report.fuelUsed).toBeLessThan(TOY_FUEL)
    expect(artifact?.length).toBe(512)
  })

  test('has eight marks, the ones of its end all equal', async () => {
    const { report } = reported(await runJob(await toyTask(), scripted()))
    expect(report.trace).toHaveLength(MARKS)
    const passed = Math.floor((MARKS * report.fuelUsed) / TOY_FUEL)
    const distinct = new Set(report.trace)
    expect(distinct.size).toBeGreaterThanOrEqual(Math.min(passed, MARKS - 1))
    expect(new Set(report.trace.slice(passed)).size).toBe(1)
  })

  test('takes marks by updates when its limit is updates', async () => {
    const limit = { updates: TOY_UPDATES }
    const { report } = reported(await runJob(await toyTask({ limit }), scripted()))
    expect(new Set(report.trace).size).toBe(MARKS)
  })

  test('gives the same digest however often it is looked at, saved and paused', async () => {
    const task = await toyTask()
    const { digest } = reported(await runJob(task, scripted()))
    const often = scripted(Array(TOY_UPDATES - 1).fill('checkpoint'))
    expect(reported(await runJob(task, often)).digest).toBe(digest)
    expect(often.saved).toHaveLength(TOY_UPDATES - 1)
  })

  test('says how far it is and what the kernel says of itself', async () => {
    const control = scripted()
    await runJob(await toyTask({ limit: { updates: TOY_UPDATES } }), control)
    expect(control.slices.map(s => s.fraction)).toEqual(
      Array.from({ length: TOY_UPDATES - 1 }, (_, i) => (i + 1) / TOY_UPDATES),
    )
    expect(control.slices.some(s => s.output?.curve[0]?.train !== undefined)).toBe(true)
  })

  test('depends on its data', async () => {
    const task = await toyTask()
    const other = { ...task, data: [Uint8Array.from([1, 2, 3])] }
    const digests = [task, other].map(async t => reported(await runJob(t, scripted())).digest)
    expect(new Set(await Promise.all(digests)).size).toBe(2)
  })
})

describe('checkpoints', () => {
  test('a run stopped after any step and resumed elsewhere has the digest of the unbroken one', async () => {
    const task = await toyTask()
    const { digest } = reported(await runJob(task, scripted()))
    for (let steps = 1; steps < TOY_UPDATES; steps += 6) {
      const stopped = await runJob(task, scripted([...Array(steps - 1).fill('go'), 'stop']))
      if (stopped.type !== 'stopped') throw new Error(`expected a stop, got ${stopped.type}`)
      const resumed = await runJob({ ...task, checkpoint: stopped.checkpoint }, scripted())
      expect(reported(resumed).digest, `stopped after ${steps} steps`).toBe(digest)
    }
  })

  test('a run resumed again and again, one step each time, still has it', async () => {
    const task = await toyTask({ limit: { updates: TOY_UPDATES } })
    const { digest } = reported(await runJob(task, scripted()))
    let outcome = await runJob(task, scripted(['stop']))
    let stops = 0
    while (outcome.type === 'stopped') {
      stops += 1
      outcome = await runJob({ ...task, checkpoint: outcome.checkpoint }, scripted(['stop']))
    }
    expect(stops).toBe(TOY_UPDATES - 1)
    expect(reported(outcome).digest).toBe(digest)
  })

  test('a resumed run does not start over', async () => {
    const task = await toyTask()
    const stopped = await runJob(task, scripted([...Array(29).fill('go'), 'stop']))
    if (stopped.type !== 'stopped') throw new Error('expected a stop')
    const control = scripted()
    await runJob({ ...task, checkpoint: stopped.checkpoint }, control)
    expect(control.slices[0]?.step).toBe(31)
  })

  test('a checkpoint with any byte changed, cut short, or of another run is ignored and the run starts over', async () => {
    const task = await toyTask()
    const { digest } = reported(await runJob(task, scripted()))
    const stopped = await runJob(task, scripted(['go', 'go', 'stop']))
    const other = await runJob(await toyTask({ seed: 2 }), scripted(['go', 'stop']))
    if (stopped.type !== 'stopped' || other.type !== 'stopped') throw new Error('expected a stop')
    const good = stopped.checkpoint
    const flipped = (at: number): Uint8Array => good.map((byte, i) => (i === at ? byte ^ 1 : byte))
    const bad = [flipped(0), flipped(9), flipped(40), flipped(good.length >> 1), flipped(good.length - 1)]
    const damaged = [
      ...bad,
      good.slice(0, good.length - 1),
      new Uint8Array(),
      new Uint8Array(64),
      other.checkpoint,
    ]
    for (const checkpoint of damaged) {
      const control = scripted()
      expect(reported(await runJob({ ...task, checkpoint }, control)).digest).toBe(digest)
      expect(control.slices[0]?.step).toBe(1)
    }
  })
})

describe('kernels that end otherwise', () => {
  test('a diverged run is a report without metric and weights, with every mark', async () => {
    const { report, artifact } = reported(await runJob(await toyTask({ mode: 'diverge' }), scripted()))
    expect(report).toMatchObject({ status: 'diverged', metric: null, artifactSha256: null })
    expect(report.trace).toHaveLength(MARKS)
    expect(artifact).toBeNull()
  })

  test('an infeasible recipe is a report', async () => {
    const { report } = reported(await runJob(await toyTask({ mode: 'infeasible' }), scripted()))
    expect(report).toMatchObject({ status: 'infeasible', metric: null })
  })

  test.each(['trapHalfway', 'loopForever'] as const)(
    '%s: trapped at the fuel of the last completed step, the same for a resumed run',
    async mode => {
      const task = await toyTask({ mode })
      const { report, digest } = reported(await runJob(task, scripted()))
      expect(report).toMatchObject({ status: 'trapped', metric: null, curve: [], counters: { steps: 20 } })
      const half = await runJob(task, scripted([...Array(19).fill('go'), 'stop']))
      if (half.type !== 'stopped') throw new Error('expected a stop')
      const resumed = await runJob({ ...task, checkpoint: half.checkpoint }, scripted())
      expect(reported(resumed).digest).toBe(digest)
    },
  )

  test('a step that fails without a reason is a trap', async () => {
    const { report } = reported(await runJob(await toyTask({ mode: 'failSilently' }), scripted()))
    expect(report).toMatchObject({ status: 'trapped', metric: null })
  })

  test.each([
    ['brokenOutput', 'output_invalid', /JSON/],
    ['hugeOutput', 'output_invalid', /66000 bytes/],
    ['metricMissing', 'output_invalid', /metric/],
    ['refuse', 'kernel_refused', /mode 5 is refused/],
  ] as const)('%s is the error %s', async (mode, code, detail) => {
    const outcome = await runJob(await toyTask({ mode }), scripted())
    expect(outcome).toMatchObject({ type: 'error', code, detail: expect.stringMatching(detail) })
  })
})

describe('what is the fault of this machine is an error, never a result', () => {
  // Modules as admission leaves them, but for the metering: globals 0, 1, 2 are xee_fuel, xee_phase, xee_oom.
  const counters = {
    globals: [
      { type: [TYPE.i64], mutable: true, init: i64(0) },
      { type: [TYPE.i32], mutable: true, init: i32(0) },
      { type: [TYPE.i32], mutable: true, init: i32(0) },
    ],
    exports: ['xee_fuel', 'xee_phase', 'xee_oom'].map((name, index) => ({ name, kind: 3, index })),
  }

  test("an overflow of the engine's stack", async () => {
    const functions = [{ params: ['i32'], results: ['i32'], body: [get(0), call(OWN_FUNCTIONS)] }] as const
    const module = kernelModule({ ...counters, step: [i32(0), call(OWN_FUNCTIONS)], functions })
    const outcome = await runJob(await toyTask({ module: new Uint8Array(module) }), scripted())
    expect(outcome).toMatchObject({ type: 'error', code: 'engine_stack' })
  })

  test('a trap after the engine had no memory left', async () => {
    const module = kernelModule({ ...counters, init: [i32(1), globalSet(2), OPS.unreachable] })
    const outcome = await runJob(await toyTask({ module: new Uint8Array(module) }), scripted())
    expect(outcome).toMatchObject({ type: 'error', code: 'out_of_memory' })
  })

  test('a call that comes back with less than no fuel is a trap, although nothing was thrown', async () => {
    const module = kernelModule({ ...counters, step: [i64(-1), globalSet(0), i32(0)] })
    const { report } = reported(await runJob(await toyTask({ module: new Uint8Array(module) }), scripted()))
    expect(report).toMatchObject({ status: 'trapped', fuelUsed: 0 })
  })
})

describe('kernels that mean harm', () => {
  test.each([
    ['an endless loop', endlessLoop],
    ['a loop of 256 MiB fills', endlessFill],
    ['a memory bomb', memoryBomb],
    ['growth while it runs', lateGrowth],
    ['unreachable', trapping],
    ['a division by zero', dividingByZero],
    ['a read out of bounds', readingOutOfBounds],
  ])('%s is trapped, with the same digest each time', async (_name, build) => {
    const module = new Uint8Array(admitted(build()))
    const task = await toyTask({ module, limit: { fuel: 50_000_000 } })
    const first = reported(await runJob(task, scripted()))
    expect(first.report).toMatchObject({ status: 'trapped', metric: null, fuelUsed: 0, trace: [], curve: [] })
    expect(reported(await runJob(task, scripted())).digest).toBe(first.digest)
  })

  test('a module that was not admitted is refused', async () => {
    const outcome = await runJob(await toyTask({ module: new Uint8Array(deepRecursion()) }), scripted())
    expect(outcome).toMatchObject({ type: 'error', code: 'kernel_refused' })
  })
})
