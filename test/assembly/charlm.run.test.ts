import { beforeAll, describe, expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { type GlobalValues, readGlobals, writeGlobals } from '#runtime/globals.ts'
import { readSotuSmall } from '#server/data/sotu.ts'
import {
  begin,
  drive,
  instantiate,
  type KernelExports,
  type KernelJob,
  moduleOf,
  RECIPE,
  run,
  sampleText,
  say,
} from './drive.ts'

let raw: Uint8Array
let metered: Uint8Array
beforeAll(async () => {
  raw = await moduleOf('charlm')
  const admission = admit(raw)
  if (!admission.ok) throw new Error(JSON.stringify(admission.refusals))
  metered = admission.module
})

const inputs = { train: sampleText(20_000), val: sampleText(3_000, 7) }
const tiny = { depth: 1, width: 16, context: 16, batch: 4 }

describe('a run bounded by fuel', () => {
  const job: KernelJob = { recipe: tiny, limit: { fuel: 150_000_000 } }

  test('plans its updates from what the first one and one evaluation block cost, and uses 96 to 100 % of its fuel', async () => {
    const { said, fuelUsed } = await run(metered, job, inputs)
    expect(said.status).toBe('ok')
    expect(said.counters.updates).toBe(said.counters.updatesPlanned)
    expect(said.counters.updates).toBeGreaterThan(10)
    expect(fuelUsed).toBeLessThanOrEqual(150_000_000)
    expect(fuelUsed).toBeGreaterThan(0.96 * 150_000_000)
  })

  test('says its learning curve: at most 64 points, rising in update and fuel, ending with the metric', async () => {
    const { said } = await run(metered, { ...job, limit: { fuel: 400_000_000 } }, inputs)
    const { curve, metric, counters } = said
    expect(curve.length).toBeGreaterThan(40)
    expect(curve.length).toBeLessThanOrEqual(64)
    expect(curve.at(-1)).toMatchObject({ update: counters.updates, val: metric?.value })
    expect(curve.slice(0, -1).every(({ val }) => val === null)).toBe(true)
    expect(curve.map(({ update }) => update)).toEqual(
      [...new Set(curve.map(({ update }) => update))].sort((a, b) => a - b),
    )
    expect(curve.map(({ fuel }) => fuel)).toEqual(curve.map(({ fuel }) => fuel).sort((a, b) => a - b))
    expect(said.progress).toBe(1)
  })

  test('is refused as infeasible when evaluation would take more than half of it', async () => {
    const { said, artifact } = await run(metered, { ...job, limit: { fuel: 9_000_000 } }, inputs)
    expect(said).toMatchObject({ status: 'infeasible', metric: null, curve: [], counters: { updates: 1 } })
    expect(artifact.length).toBe(0)
  })

  test('gives the same bytes with the same fuel, and other ones with another seed', async () => {
    const first = await run(metered, job, inputs)
    const second = await run(metered, job, inputs)
    expect(second).toEqual(first)
    expect((await run(metered, { ...job, seed: 2 }, inputs)).state).not.toEqual(first.state)
  })
})

describe('whatever the host does between steps', () => {
  const job: KernelJob = { recipe: { ...tiny, depth: 2 }, limit: { fuel: 900_000_000 } }

  test('the run stays the same: looking at output, state and artifact', async () => {
    const quiet = await instantiate<KernelExports>(metered)
    begin(quiet, job, inputs)
    const expected = drive(quiet, job)
    const curious = await instantiate<KernelExports>(metered)
    begin(curious, job, inputs)
    const seen: string[] = []
    const between = (step: number) => {
      const fuel = curious.xee_fuel!.value
      if (step % 3 === 0)
        seen.push(`${say(curious).status} ${curious.xee_artifact_len()} ${curious.xee_state_len()}`)
      curious.xee_fuel!.value = fuel
    }
    expect(drive(curious, job, { between })).toEqual(expected)
    expect(new Set(seen)).toContain(`running 0 ${expected.state.length}`)
  })

  test('the run stays the same: memory and globals moved to a new instance after any step', async () => {
    const original = await instantiate<KernelExports>(metered)
    begin(original, job, inputs)
    const snapshots: { memory: Uint8Array; globals: GlobalValues; fuel: bigint }[] = []
    const between = () => {
      const memory = new Uint8Array(original.memory.buffer).slice()
      snapshots.push({ memory, globals: globalsOf(original), fuel: original.xee_fuel!.value })
    }
    const expected = drive(original, job, { between })
    for (const at of [0, 1, Math.floor(expected.steps / 2), expected.steps - 2]) {
      const { memory, globals, fuel } = snapshots[at]!
      const resumed = await instantiate<KernelExports>(metered)
      resumed.memory.grow((memory.length - resumed.memory.buffer.byteLength) / 65_536)
      new Uint8Array(resumed.memory.buffer).set(memory)
      setGlobals(resumed, globals)
      for (let left = fuel, code = 0; code === 0; left = resumed.xee_fuel!.value) {
        resumed.xee_fuel!.value = left
        code = resumed.xee_step(left)
      }
      expect(say(resumed), `after step ${at}`).toEqual(expected.said)
      const state = new Uint8Array(resumed.memory.buffer, resumed.xee_state(), resumed.xee_state_len())
      expect(Buffer.compare(state, expected.state)).toBe(0)
    }
  })

  test('metering changes no result: the raw module gives the same weights for the same number of updates', async () => {
    const byUpdates: KernelJob = { recipe: tiny, limit: { updates: 30 } }
    const one = await run(raw, byUpdates, inputs)
    const two = await run(metered, byUpdates, inputs)
    expect(two.artifact).toEqual(one.artifact)
    expect(two.said).toEqual(one.said)
  })
})

/** The kernel's own mutable globals, which admission exports as xee_g0, xee_g1, … */
const own = (kernel: KernelExports): WebAssembly.Global[] =>
  Object.entries(kernel)
    .filter(([name]) => /^xee_g[0-9]+$/.test(name))
    .map(([, value]) => value)

const globalsOf = (kernel: KernelExports): GlobalValues => readGlobals(own(kernel))
const setGlobals = (kernel: KernelExports, values: GlobalValues): void => writeGlobals(own(kernel), values)

describe('evaluating weights', () => {
  const recipe = { ...tiny, depth: 2 }

  test.each(['dense', 'bytes'])(
    'gives exactly the metric of the training that made them (%s)',
    async vocabulary => {
      const given = { ...recipe, vocabulary }
      const trained = await run(raw, { recipe: given, limit: { updates: 20 } }, inputs)
      const job: KernelJob = { task: 'evaluate', recipe: given, limit: { updates: 20 } }
      const judged = await run(raw, job, { ...inputs, weights: trained.artifact })
      expect(judged.said.metric).toEqual(trained.said.metric)
      expect(judged.said).toMatchObject({ status: 'ok', progress: 1, counters: { updates: 0 } })
      expect((await run(raw, job, { val: inputs.val, weights: trained.artifact })).said).toEqual(judged.said)
    },
  )

  test('works on any text, also one with bytes that training never saw', async () => {
    const { artifact } = await run(raw, { recipe, limit: { updates: 20 } }, inputs)
    const job: KernelJob = { task: 'evaluate', recipe, limit: { updates: 20 } }
    const noise = Uint8Array.from({ length: 500 }, (_, i) => (i * 167) % 256)
    const { said } = await run(raw, job, { val: noise, weights: artifact })
    expect(said.metric?.value).toBeGreaterThan(8)
  })

  test.each([
    ['cut short', (weights: Uint8Array) => weights.subarray(0, weights.length - 4), {}],
    ['empty', () => new Uint8Array(0), {}],
    ['with another magic', (weights: Uint8Array) => weights.with(0, 0), {}],
    ['with a vocabulary out of order', (weights: Uint8Array) => weights.with(65, 0), {}],
    ['of another shape', (weights: Uint8Array) => weights, { width: 24 }],
  ])('refuses weights that are %s', async (_, spoil, change) => {
    const { artifact } = await run(raw, { recipe, limit: { updates: 1 } }, inputs)
    const kernel = await instantiate<KernelExports>(raw)
    const job: KernelJob = { task: 'evaluate', recipe: { ...recipe, ...change }, limit: { updates: 1 } }
    expect(begin(kernel, job, { ...inputs, weights: spoil(artifact) })).toBe(3)
    expect(say(kernel)).toMatchObject({ status: 'error', reason: expect.stringContaining('weights') })
  })

  test('weights that are not numbers end as diverged, not as a metric', async () => {
    const { artifact } = await run(raw, { recipe, limit: { updates: 1 } }, inputs)
    const broken = artifact.slice()
    new Float32Array(broken.buffer, 320).fill(Number.NaN)
    const job: KernelJob = { task: 'evaluate', recipe, limit: { updates: 1 } }
    const { said } = await run(raw, job, { ...inputs, weights: broken })
    expect(said).toMatchObject({ status: 'diverged', metric: null })
  })
})

describe('learning', () => {
  test('a run whose learning rate is far too high ends as diverged, without metric, weights or a NaN in its state', async () => {
    // Certain of one letter, and surer with every update, it then meets the other one.
    const text = new Uint8Array(4_000).fill(97).fill(98, 3_600)
    const recipe = {
      ...tiny,
      width: 256,
      heads: 1,
      batch: 1,
      lr: 0.1,
      weight_decay: 0,
      warmup: 0,
      final: 1,
      clip: 1000,
    }
    const job: KernelJob = { recipe, limit: { updates: 200 } }
    const { said, artifact, state } = await run(raw, job, { train: text, val: text })
    expect(said).toMatchObject({ status: 'diverged', metric: null })
    expect(said.counters.updates).toBeLessThan(200)
    expect(artifact.length).toBe(0)
    const floats = new Float32Array(state.slice(state.length % 4).buffer)
    expect(floats.subarray(-3 * said.counters.parameters - 32).some(Number.isNaN)).toBe(false)
  })

  test('the loss falls on real text: half a second of training is 0.4 bits below any unigram model', async () => {
    const { train, val } = await readSotuSmall()
    const { said } = await run(
      raw,
      { recipe: { ...RECIPE, depth: 1 }, limit: { updates: 400 } },
      { train, val },
    )
    expect(said.curve[0]?.train).toBeGreaterThan(5)
    expect(said.metric?.value).toBeLessThan(entropy(val) - 0.4)
    expect(Math.abs((said.metric?.value ?? 0) - (said.curve.at(-1)?.train ?? 0))).toBeLessThan(0.4)
  })
})

/** Bits per byte of the best code that looks at no context, made for this very text. */
function entropy(text: Uint8Array): number {
  const counts = new Map<number, number>()
  for (const byte of text) counts.set(byte, (counts.get(byte) ?? 0) + 1)
  return [...counts.values()].reduce((sum, n) => sum - (n / text.length) * Math.log2(n / text.length), 0)
}
