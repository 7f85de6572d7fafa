import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Recipe } from '#protocol/job.ts'
import { canonicalRecipe, KernelManifest, manifestFault } from '#protocol/kernel.ts'
import { FUEL_MAX } from '#protocol/limits.ts'
import { flopsMade, flopsOfUpdate, type NativeForm, restlessness, updatesWithin } from '#protocol/native.ts'

const ROOT = join(import.meta.dirname, '../..')
const manifestOf = async (folder: string) =>
  KernelManifest.omit({ selfTest: true })
    .loose()
    .parse(JSON.parse(await readFile(join(ROOT, 'assembly', folder, 'manifest.json'), 'utf8')))

test('charlm’s closed form is six FLOPs a weight and token, and attention: by hand for its defaults', async () => {
  const manifest = await manifestOf('charlm')
  const recipe = canonicalRecipe(manifest, {})
  if (!recipe.ok || manifest.native === undefined) throw new Error('no recipe, or no native form')
  // width 32, 2 layers, context 32, batch 8, MLP four times as wide; 96 symbols in the head
  const weights = 2 * (4 * 32 * 32 + 2 * 32 * 128) + 96 * 32
  const attention = 2 * 32 * 32
  expect(flopsOfUpdate(manifest.native, recipe.recipe)).toBe(8 * 32 * 6 * (weights + attention))
  expect(
    manifestFault({ ...manifest, native: { ...manifest.native, flops: { define: [], update: 'depht' } } }),
  ).toBe('depht: no parameter, and not defined before it is used')
})

test.each([
  ['mlp', {}, 4 * 784 * 128 + 6 * 128 * 10],
  ['mlp', { depth: 3, width: 64 }, 4 * 784 * 64 + 6 * (2 * 64 * 64 + 64 * 10)],
  ['mlp', { depth: 0 }, 4 * 784 * 10],
  ['softmax', { depth: 2 }, 4 * 784 * 10],
  // Of the first convolution and of the first layer over pixels nobody needs the gradient of what they read.
  ['cnn', {}, 2 * 18 * 784 * 8 + 3 * 18 * 196 * 8 * 16 + 6 * (7 * 7 * 16 * 128 + 128 * 10)],
  ['cnn', { depth: 0 }, 2 * 18 * 784 * 8 + 3 * 18 * 196 * 8 * 16 + 6 * 7 * 7 * 16 * 10],
])(
  'vision’s closed form counts products and convolutions over 28 × 28 pixels of ten classes: %s %j',
  async (model, changes, image) => {
    const manifest = await manifestOf('vision')
    const recipe = canonicalRecipe(manifest, { model, ...changes })
    if (!recipe.ok || manifest.native === undefined) throw new Error('no recipe, or no native form')
    expect(manifestFault(manifest)).toBeUndefined()
    expect(flopsOfUpdate(manifest.native, recipe.recipe)).toBe(64 * image)
  },
)

test.each<['charlm' | 'vision', Recipe, boolean]>([
  ['charlm', {}, false],
  ['charlm', { lr: 0.001, warmup: 100 }, true],
  ['charlm', { lr: 0.001, warmup: 99 }, false],
  ['charlm', { lr: 0.0003, warmup: 0, activation: 'swiglu', qk_norm: 'on', heads: 2 }, true],
  ['charlm', { lr: 0.00101, warmup: 1000 }, false],
  ['charlm', { lr: 0.001, warmup: 100, activation: 'swiglu' }, false],
  ['charlm', { lr: 0.001, warmup: 100, qk_norm: 'on' }, false],
  ['charlm', { lr: 0.001, warmup: 100, activation: 'relu2', norm: 'rms', softcap: 15 }, true],
  ['charlm', { optimizer: 'muon', lr: 0.02, warmup: 0, activation: 'swiglu' }, true],
  ['charlm', { optimizer: 'muon', lr: 0.021 }, false],
  ['charlm', { optimizer: 'sgd', lr: 0.001, warmup: 100 }, false],
  ['vision', {}, true],
  ['vision', { lr: 0.011 }, false],
  ['vision', { lr: 0.1, optimizer: 'sgd' }, true],
])('%s with %j is calm: %s', async (kernel, changes, calm) => {
  const manifest = await manifestOf(kernel)
  const reply = canonicalRecipe(manifest, changes)
  if (!reply.ok || manifest.native === undefined) throw new Error('no recipe, or no native form')
  const reason = restlessness(manifest.native, reply.recipe)
  if (calm) expect(reason).toBeUndefined()
  else expect(reason).toContain('devices agree')
})

test('a calm rule that names what the kernel has not is a fault of the manifest', async () => {
  const manifest = await manifestOf('charlm')
  if (manifest.native === undefined) throw new Error('no native form')
  const calm = [{ require: { ascend: ['rate', 1] }, of: ['lr'], because: 'devices agree on slow ones' }]
  expect(manifestFault({ ...manifest, native: { ...manifest.native, calm } })).toBe(
    'rate: no parameter, and not defined before it is used',
  )
})

const linear: Pick<NativeForm, 'flops'> = { flops: { define: [], update: { product: ['width', 1000] } } }

test('a recipe makes as many updates as its budget is enough for, and one at least', () => {
  const within = (width: number, flops: number) =>
    updatesWithin(linear, { recipe: { width }, flops, updatesMax: 100 })
  expect(within(2, 9_999)).toEqual({ updates: 4, flops: 8_000 })
  expect(within(50, 9_999)).toEqual({ updates: 1, flops: 50_000 })
  expect(within(1, 1e9)).toEqual({ updates: 100, flops: 100_000 })
})

test('what was made of a run is exact up to the largest budget, grows with the updates and ends with all of it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: FUEL_MAX }),
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 0, max: 999_999 }),
      (flops, planned, some) => {
        const made = some % planned
        expect(flopsMade(flops, planned, planned)).toBe(flops)
        expect(flopsMade(flops, 0, planned)).toBe(0)
        const now = BigInt(flopsMade(flops, made, planned))
        expect(now * BigInt(planned) <= BigInt(flops) * BigInt(made)).toBe(true)
        expect((now + 1n) * BigInt(planned) > BigInt(flops) * BigInt(made)).toBe(true)
      },
    ),
  )
})
