// What a manifest says of fuel, measured: runs that differ in the seed alone use the same, whatever the recipe.

import { describe, expect, test } from 'vitest'
import type { Recipe } from '#protocol/job.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import { encodeSplit } from '#server/data/idx.ts'
import { kernelOf, meteredOf, runAny } from './any-kernel.ts'
import { sampleText } from './drive.ts'
import { sampleImages } from './sample-images.ts'

const SEEDS = [1, 2, 2 ** 47 + 1]

async function fuelOf(folder: string, recipe: Recipe, data: readonly Uint8Array[]): Promise<Set<number>> {
  const kernel = await kernelOf(folder)
  const module = meteredOf(kernel)
  const used = new Set<number>()
  for (const seed of SEEDS) {
    const job = { recipe, seed, limit: { updates: 25 } }
    used.add((await runAny(module, kernel.manifest, job, data)).fuelUsed)
  }
  return used
}

const choicesOf = ({ recipe }: KernelManifest, small: Recipe): Recipe[] =>
  Object.entries(recipe.properties).flatMap(([name, schema]) =>
    schema.type === 'string' ? schema.enum.slice(0, 4).map(value => ({ ...small, [name]: value })) : [],
  )

describe('charlm says that it is steady, and is', async () => {
  const text = [sampleText(8_000), sampleText(1_500, 7)]
  const small: Recipe = { width: 16, depth: 1, context: 16, batch: 4 }
  const { manifest } = await kernelOf('charlm')
  test('in its manifest', () => expect(manifest.steadyFuel).toBe(true))
  test.each([small, { ...small, lr: 0.03, warmup: 3 }, ...choicesOf(manifest, small)])('%j', async recipe => {
    expect((await fuelOf('charlm', recipe, text)).size).toBe(1)
  })
})

// What an image costs that was moved depends on where to: the seed says.
test('vision is not where training images move, and does not say so', async () => {
  const size = [8, 8] as const
  const images = [300, 90].map((count, seed) => encodeSplit(sampleImages({ count, size, classes: 5, seed })))
  const small: Recipe = { model: 'mlp', width: 16, batch: 16 }
  expect((await kernelOf('vision')).manifest.steadyFuel).toBeUndefined()
  expect((await fuelOf('vision', small, images)).size).toBe(1)
  expect((await fuelOf('vision', { ...small, shift: 2 }, images)).size).toBeGreaterThan(1)
})
