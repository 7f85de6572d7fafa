// A native run as its host sees it: report, checkpoint, resume, and what becomes of no memory.

import { describe, expect, test } from 'vitest'
import { isOutOfMemory, type NativeRun, runNatively } from '#client/onnx/run.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import { sha256 } from '#protocol/canonical.ts'
import { fingerprintOf } from '#protocol/fingerprint.ts'
import { Job, jobText, LAST_RUNG, type Recipe, rungEnd, rungsUntil, runKeyOf } from '#protocol/job.ts'
import { RunReport } from '#protocol/report.ts'
import type { Order, RunControl } from '#runtime/run.ts'
import { freely } from '#runtime/self-test.ts'
import { runAny, textOf } from '../../assembly/any-kernel.ts'
import { isMissing, nativeRuntime } from './session.ts'
import { prepare, SEED, UPDATES } from './tasks.ts'

const FLOPS = 4_000_000_001

async function runOf(name: string, changes: Recipe, updates = UPDATES): Promise<NativeRun> {
  const { kernel, module, data } = await prepare(name, changes, updates)
  const job = textOf(kernel.manifest, { recipe: changes, seed: SEED, limit: { updates } })
  const hashes = await Promise.all([sha256(module), ...data.map(sha256)])
  const [moduleSha256, ...dataSha256] = hashes
  return {
    runKey: await runKeyOf(
      moduleSha256 ?? (await sha256(module)),
      dataSha256,
      Job.parse(JSON.parse(job)),
      'onnx-cpu',
    ),
    ...{ job, data, flops: FLOPS, engineClass: 'onnx-cpu', manifest: kernel.manifest },
    ...{ fuelMax: kernel.manifest.bounds.fuelMax, memoryBytesMax: Number.POSITIVE_INFINITY },
    module: await WebAssembly.compile(new Uint8Array(module)),
  }
}

/** A clock by which every call takes longer than it should, so that each makes one update. */
const slowly = (gate: RunControl['gate'], save: RunControl['save'] = async () => undefined): RunControl => {
  let now = 0
  return { gate, save, nowMs: () => (now += 1000) }
}
const reported = async (run: NativeRun, control: RunControl = freely(() => performance.now())) => {
  const outcome = await runNatively(run, nativeRuntime(), control)
  if (outcome.type !== 'report') throw new Error(JSON.stringify(outcome).slice(0, 300))
  return outcome
}

describe.skipIf(isMissing)('a native run', () => {
  test.each(['charlm', 'vision'])(
    'of %s ends in a report that parses, with weights, fingerprint and FLOPs',
    async name => {
      const run = await runOf(name, {})
      const { report, text, digest, artifact } = await reported(run)
      expect(RunReport.parse(JSON.parse(text))).toEqual(report)
      expect(report).toMatchObject({ status: 'ok', engine: 'onnx-cpu', trace: [], fuelUsed: FLOPS })
      expect(report.counters).toMatchObject({ updates: UPDATES, updatesPlanned: UPDATES, flops: FLOPS })
      expect(report.artifactSha256).toBe(await sha256(artifact ?? new Uint8Array()))
      expect(report.fingerprint).toEqual(fingerprintOf(artifact ?? new Uint8Array(), SEED))
      expect(digest).toMatch(/^[0-9a-f]{64}$/)
    },
  )

  test('says of itself what the kernel would say, but for rounding', async () => {
    const { kernel, module, data } = await prepare('charlm', {})
    const { said } = await runAny(module, kernel.manifest, { seed: SEED, limit: { updates: UPDATES } }, data)
    const { report } = await reported(await runOf('charlm', {}))
    const places = (curve: readonly RunReport['curve'][number][]) =>
      curve.map(({ update, fuel, val }) => [update, fuel, val === null])
    expect(places(report.curve)).toEqual(places(said.curve))
    expect(Object.keys(report.counters).sort()).toEqual(Object.keys(said.counters).sort())
    expect(report.counters.parameters).toBe(said.counters.parameters)
    expect(report.counters.tokens).toBe(said.counters.tokens)
    expect(report.metric?.name).toBe(said.metric?.name)
    expect(Math.abs((report.metric?.value ?? 0) - (said.metric?.value ?? 9))).toBeLessThan(2e-4)
  })

  test('is evaluated at the end of each rung, and a longer one is the same up to there', async () => {
    const run = await runOf('charlm', {})
    const until = (rung: 1 | typeof LAST_RUNG) =>
      jobText({ ...Job.parse(JSON.parse(run.job)), rungs: rungsUntil(rung) })
    const short = await reported({ ...run, job: until(1) })
    const long = await reported({ ...run, job: until(LAST_RUNG) })
    const evaluated = long.report.curve.filter(({ val }) => val !== null).map(({ update }) => update)
    expect(evaluated).toEqual([0, 1, 2, 3].map(rung => rungEnd(UPDATES, rung)))
    expect(short.report.counters).toMatchObject({ updates: rungEnd(UPDATES, 1), updatesPlanned: UPDATES })
    expect(long.report.curve.slice(0, short.report.curve.length)).toEqual(short.report.curve)
    expect(short.report.fuelUsed).toBe(Math.floor((FLOPS * rungEnd(UPDATES, 1)) / UPDATES))
  })

  // One update a call, so that each of them is a place to be stopped at; the last is in the evaluation.
  test.each([1, 7, 12, 13])(
    'stopped after %i calls and gone on with, it ends in the same bytes',
    async after => {
      const run = await runOf('charlm', {}, 12)
      const whole = await reported(run)
      let calls = 0
      const stopped = await runNatively(
        run,
        nativeRuntime(),
        slowly(async (): Promise<Order> => (++calls >= after ? 'stop' : 'go')),
      )
      if (stopped.type !== 'stopped') throw new Error(JSON.stringify(stopped).slice(0, 200))
      const resumed = await reported({ ...run, checkpoint: stopped.checkpoint })
      expect(resumed.text).toBe(whole.text)
      expect(resumed.artifact).toEqual(whole.artifact)
    },
  )

  test('a checkpoint that is damaged, of another run or of another class is as if there were none', async () => {
    const run = await runOf('charlm', {}, 12)
    const whole = await reported(run)
    let saved = new Uint8Array()
    const save = async (bytes: Uint8Array) => {
      saved = new Uint8Array(bytes)
    }
    await reported(
      run,
      slowly(async () => 'checkpoint' as const, save),
    )
    expect(saved.length).toBeGreaterThan(1000)
    const steps: number[] = []
    const watching = slowly(async ({ step }) => {
      steps.push(step)
      return 'go'
    })
    const damaged = saved.slice()
    damaged[500] = (damaged[500] ?? 0) ^ 1
    const other = { ...run, runKey: await sha256(new Uint8Array([1])) }
    for (const attempt of [
      { ...run, checkpoint: damaged },
      { ...other, checkpoint: saved },
      { ...run, engineClass: 'onnx-cuda' as const, checkpoint: saved },
    ]) {
      steps.length = 0
      expect((await reported(attempt, watching)).artifact).toEqual(whole.artifact)
      expect(steps[0]).toBe(1)
    }
    steps.length = 0
    await reported({ ...run, checkpoint: saved }, watching)
    expect(steps[0]).toBe(12)
  })

  test('that left all numbers behind is diverged, and says how far it came', async () => {
    const changes = {
      optimizer: 'sgd',
      lr: 1,
      momentum: 0.99,
      clip: 1000,
      head: 'untied',
      schedule: 'constant',
    }
    const run = await runOf('charlm', { ...changes, softcap: 0, warmup: 0 }, 400)
    const { report, artifact } = await reported(run)
    expect(report).toMatchObject({
      status: 'diverged',
      metric: null,
      artifactSha256: null,
      engine: 'onnx-cpu',
    })
    expect(report.counters.updates).toBeLessThan(400)
    expect(report.fuelUsed).toBe(Math.floor((FLOPS * (report.counters.updates ?? 0)) / 400))
    expect(artifact).toBeNull()
  })

  test('with less memory than its estimate is not begun', async () => {
    const run = await runOf('charlm', {})
    const outcome = await runNatively(
      { ...run, memoryBytesMax: 100 * 2 ** 20 },
      nativeRuntime(),
      freely(() => 0),
    )
    expect(outcome).toMatchObject({ type: 'error', code: 'out_of_memory' })
  })

  // Words of ONNX Runtime's allocators and of CUDA; which provider is broken here is nobody's business but the test's.
  test.each([
    ['Failed to allocate memory for requested buffer of size 8589934592', 'infeasible'],
    ['CUDA failure 2: out of memory ; GPU=0', 'infeasible'],
    ['std::bad_alloc', 'infeasible'],
    ['Device lost: the driver was reset', 'engine_failed'],
  ])('whose runtime says "%s" is %s', async (words, ends) => {
    const run = await runOf('charlm', {})
    const broken: NativeRuntime = {
      open: async model => {
        const session = await nativeRuntime().open(model)
        return { ...session, run: () => Promise.reject(new Error(words)) }
      },
    }
    const outcome = await runNatively(
      run,
      broken,
      freely(() => 0),
    )
    if (ends === 'engine_failed') return expect(outcome).toMatchObject({ type: 'error', code: ends })
    if (outcome.type !== 'report') throw new Error(outcome.type)
    expect(RunReport.parse(JSON.parse(outcome.text)).status).toBe('infeasible')
    expect(outcome.missed).toMatchObject({ because: words })
    expect(outcome.missed?.estimateBytes).toBeGreaterThan(150 * 2 ** 20)
  })

  test('takes no job that is limited by fuel, nor one that evaluates', async () => {
    const run = await runOf('charlm', {})
    const job = Job.parse(JSON.parse(run.job))
    for (const other of [
      { ...job, limit: { fuel: 10 ** 9 } },
      { ...job, task: 'evaluate' as const },
    ]) {
      const outcome = await runNatively(
        { ...run, job: jobText(other) },
        nativeRuntime(),
        freely(() => 0),
      )
      expect(outcome).toMatchObject({ type: 'error', code: 'kernel_refused' })
    }
  })
})

test('what is no lack of memory is not taken for one', () => {
  for (const words of ['Invalid Feed Input Name:x', 'Got invalid dimensions', 'device removed'])
    expect(isOutOfMemory(words), words).toBe(false)
})
