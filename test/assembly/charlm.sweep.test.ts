// Two hundred recipes drawn from the whole manifest: each that submission takes runs, within its memory and its fuel.

import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { canonicalRecipe, KernelSource, memoryBound, type ParameterSchema } from '#protocol/kernel.ts'
import { randomStream } from './arithmetic.ts'
import {
  begin,
  type Driven,
  drive,
  instantiate,
  type KernelExports,
  type KernelJob,
  moduleOf,
  sampleText,
  say,
} from './drive.ts'
import type { TrainingRecipe } from './training.ts'

const RECIPES = 200
const GROUPS = 8
const SEED = 20_261
const FUELS = [3e7, 1e8, 3e8, 9e8]

const manifest = KernelSource.parse(
  JSON.parse(readFileSync(new URL('../../assembly/charlm/manifest.json', import.meta.url), 'utf8')),
)
const inputs = { train: sampleText(3_000), val: sampleText(400, 7) }

let metered: Uint8Array
beforeAll(async () => {
  const admission = admit(await moduleOf('charlm'))
  if (!admission.ok) throw new Error(JSON.stringify(admission.refusals))
  metered = admission.module
})

const next = randomStream(SEED, 0)
const unit = (): number => Number(next() >> 40n) / 2 ** 24

/** Sizes by their logarithm, mostly small; every word is as likely. */
function draw(schema: ParameterSchema): string | number {
  if (schema.type === 'string') return schema.enum[Math.floor(unit() * schema.enum.length)] ?? schema.default
  const { minimum, maximum, multipleOf = 1, type } = schema
  if (type === 'integer' && maximum <= 8) return minimum + Math.floor(unit() * (maximum - minimum + 1))
  if (unit() < 0.1) return unit() < 0.5 ? minimum : maximum
  const low = Math.max(minimum, maximum / 1e5)
  const value = low * (maximum / low) ** (unit() * unit())
  return type === 'integer' ? Math.max(minimum, Math.floor(value / multipleOf) * multipleOf) : value
}

/** The next recipe that submission takes. */
function drawRecipe(): TrainingRecipe {
  for (;;) {
    const entries = Object.entries(manifest.recipe.properties).map(([name, schema]) => [name, draw(schema)])
    const submitted = canonicalRecipe(manifest, Object.fromEntries(entries))
    if (submitted.ok) return submitted.recipe as unknown as TrainingRecipe
  }
}

const recipes = Array.from({ length: RECIPES }, drawRecipe)
const outcomes: string[] = []

async function sweep(recipe: TrainingRecipe, fuel: number): Promise<string> {
  const kernel = await instantiate<KernelExports>(metered)
  const job: KernelJob = { recipe, limit: { fuel } }
  expect(begin(kernel, job, inputs)).toBe(0)
  expect(kernel.memory.buffer.byteLength).toBeLessThanOrEqual(memoryBound(manifest, recipe as never))
  const pages = kernel.memory.buffer.byteLength
  let driven: Driven
  try {
    driven = drive(kernel, job)
  } catch (error) {
    // The only trap that a taken recipe may end in is that its fuel was too little for one update and one
    // block of the evaluation: once there is a plan, it is kept.
    expect(error).toBeInstanceOf(WebAssembly.RuntimeError)
    expect(kernel.xee_fuel?.value).toBeLessThan(0n)
    if (kernel.xee_fuel) kernel.xee_fuel.value = BigInt(fuel) // to hear what it has to say
    expect(say(kernel).counters.updatesPlanned).toBe(0)
    return 'trapped'
  }
  const { said, fuelUsed } = driven
  expect(kernel.memory.buffer.byteLength).toBe(pages)
  expect(fuelUsed).toBeLessThanOrEqual(fuel)
  if (said.status !== 'ok') return said.status
  const { updates, updatesPlanned, flops } = said.counters
  expect(updates).toBe(updatesPlanned)
  expect(flops).toBeGreaterThan(0)
  expect(said.metric?.value).toBeGreaterThan(0)
  const weights = { val: inputs.val, weights: driven.artifact }
  const judge = await instantiate<KernelExports>(metered)
  const task: KernelJob = { task: 'evaluate', recipe, limit: { updates: 1 } }
  expect(begin(judge, task, weights)).toBe(0)
  expect(drive(judge, task).said.metric).toEqual(said.metric)
  return 'ok'
}

describe(`recipes drawn with seed ${SEED}`, () => {
  const size = RECIPES / GROUPS
  test.each(Array.from({ length: GROUPS }, (_, i) => i * size))(
    `${size} from number %i run within their memory and fuel, and their weights give their metric`,
    async first => {
      for (let i = first; i < first + size; i++) {
        const recipe = recipes[i]!
        outcomes.push(
          await sweep(recipe, FUELS[i % FUELS.length]!).catch(error => {
            throw new Error(`recipe ${i}: ${JSON.stringify(recipe)}`, { cause: error })
          }),
        )
      }
    },
    60_000,
  )

  test('most of them train', () => {
    const share = (status: string) => outcomes.filter(s => s === status).length / RECIPES
    expect(outcomes.length).toBe(RECIPES)
    expect(share('ok')).toBeGreaterThan(0.4)
    expect(share('ok') + share('trapped') + share('infeasible') + share('diverged')).toBe(1)
  })
})
