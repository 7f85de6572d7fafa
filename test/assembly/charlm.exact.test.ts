import { beforeAll, describe, expect, test } from 'vitest'
import { compileAssembly } from '#ops/kernels/compile.ts'
import { sha256 } from '#protocol/canonical.ts'
import { type Inputs, moduleOf, RECIPE, run, sampleText } from './drive.ts'
import { trainReference } from './training.ts'

const PREFACE_BYTES = 320

let module: Uint8Array
beforeAll(async () => {
  module = await moduleOf('charlm')
})

const inputs = { train: sampleText(900), val: sampleText(150, 7) } satisfies Inputs

/** Shapes with every kind of edge: heads of odd size, contexts that are no multiple of four, blocks that divide a batch unevenly. */
const CASES = [
  { name: 'a small model', recipe: { depth: 2, width: 16, heads: 2, context: 16, batch: 3 }, updates: 5 },
  { name: 'heads of three', recipe: { depth: 1, width: 24, heads: 8, context: 18, batch: 2 }, updates: 3 },
  {
    name: 'heads of one, an odd context',
    recipe: { depth: 1, width: 16, heads: 16, context: 17, batch: 2 },
    updates: 3,
  },
  {
    name: 'all bytes',
    recipe: { vocabulary: 'bytes', depth: 1, width: 16, heads: 1, context: 16, batch: 1 },
    updates: 2,
  },
  {
    name: 'three blocks of a batch',
    recipe: { depth: 1, width: 16, heads: 4, context: 50, batch: 11 },
    updates: 3,
  },
  {
    name: 'clipping, no warm-up',
    recipe: { depth: 1, width: 24, heads: 3, context: 16, batch: 2, clip: 0.05, warmup: 0, lr: 0.05 },
    updates: 6,
  },
  ...[
    { activation: 'relu2', mlp_ratio: 2 },
    { activation: 'swiglu', mlp_ratio: 1 },
    { activation: 'swiglu', optimizer: 'muon' },
    { norm: 'rms' },
    { position: 'rope' },
    { position: 'rope', qk_norm: 'on', norm: 'rms' },
    { windows: 'SL', context: 37 },
    { windows: 'S', context: 50, batch: 1 },
    { softcap: 15 },
    { head: 'untied' },
    { value_embeddings: 'on' },
    { optimizer: 'muon' },
    { optimizer: 'sgd', lr: 0.1 },
    { schedule: 'linear', warmup: 1 },
    { schedule: 'constant', warmup: 1 },
    { schedule: 'wsd', warmup: 1, decay: 0.5 },
    {
      ...{ activation: 'swiglu', norm: 'rms', position: 'rope', qk_norm: 'on', softcap: 30, head: 'untied' },
      ...{ value_embeddings: 'on', optimizer: 'muon', schedule: 'wsd', windows: 'SSL', depth: 3, batch: 7 },
    },
  ].map(options => ({
    name: Object.entries(options).join(' '),
    recipe: { depth: 2, width: 16, heads: 2, context: 20, batch: 3, ...options },
    updates: 4,
  })),
]

describe('charlm equals its scalar specification bit for bit', () => {
  test.each(CASES)('$name', async ({ recipe, updates }) => {
    const whole = { ...RECIPE, ...recipe }
    const { said, artifact } = await run(
      module,
      { recipe: whole, seed: 281474976710655, limit: { updates } },
      inputs,
    )
    const expected = trainReference(whole, inputs, { seed: 281474976710655, updates })
    expect(said.status).toBe('ok')
    expect(said.train).toBe(expected.losses.at(-1))
    const weights = new Uint8Array(expected.parameters.buffer)
    expect(Buffer.compare(artifact.subarray(PREFACE_BYTES), weights)).toBe(0)
    expect(said.metric).toEqual({ name: 'val_bpb', value: expected.valBpb })
  })

  test.each([
    { optimizer: 'adamw', activation: 'gelu' },
    { optimizer: 'muon', activation: 'swiglu', norm: 'rms', windows: 'SL' },
  ])('200 updates with %j: one artifact, compiled at -O1, at -O3, and by the reference', async options => {
    const recipe = { ...RECIPE, depth: 1, width: 16, context: 16, batch: 1, mlp_ratio: 1, ...options }
    const job = { recipe, seed: 5, limit: { updates: 200 } }
    const loose = await compileAssembly('assembly/charlm/index.ts', 4096, { optimize: 1 })
    const [one, three] = [await run(loose, job, inputs), await run(module, job, inputs)]
    expect(await sha256(one.artifact)).toBe(await sha256(three.artifact))
    expect(one.state).toEqual(three.state)
    const expected = trainReference(recipe, inputs, { seed: 5, updates: 200 })
    const weights = new Uint8Array(expected.parameters.buffer)
    expect(await sha256(three.artifact.slice(PREFACE_BYTES))).toBe(await sha256(weights))
    expect(three.said.metric?.value).toBe(expected.valBpb)
  })

  test('bytes that training never saw cost 24 bits each, and evaluation goes on behind them', async () => {
    const strange = new Uint8Array([...inputs.val.subarray(0, 70), 0, 200, ...inputs.val.subarray(70)])
    const recipe = { ...RECIPE, depth: 1, width: 16, context: 16, batch: 2 }
    const { said } = await run(module, { recipe, limit: { updates: 2 } }, { ...inputs, val: strange })
    const expected = trainReference(recipe, { ...inputs, val: strange }, { seed: 1, updates: 2 })
    expect(said.metric?.value).toBe(expected.valBpb)
  })
})
