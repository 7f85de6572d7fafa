// What the manifests of vision and cartpole say, the kernels do: ranges, defaults, refusals; and no recipe crashes, asks for
// more memory than the manifest has, or spends more than its fuel.

import { beforeAll, describe, expect, test } from 'vitest'
import type { Recipe } from '#protocol/job.ts'
import {
  canonicalRecipe,
  type KernelManifest,
  manifestFault,
  type ParameterSchema,
} from '#protocol/kernel.ts'
import { uniform } from '#search/random.ts'
import { encodeSplit } from '#server/data/idx.ts'
import { type AnyKernel, beginAny, kernelOf, manifestOf, meteredOf, textOf } from './any-kernel.ts'
import { drive, instantiate, type KernelExports, say } from './drive.ts'
import { sampleImages } from './sample-images.ts'

// As large as an image may be: the most memory that a recipe can want.
const images = sampleImages({ count: 60, size: [32, 32], classes: 10 })
const split = encodeSplit(images)
const KERNELS = [
  { name: 'vision', slots: [split, split], fuel: 3e8 },
  { name: 'cartpole', slots: [], fuel: 1.5e8 },
] as const
const limit = { updates: 1 }

const kernels = new Map<string, AnyKernel & { metered: Uint8Array }>()
beforeAll(async () => {
  for (const { name } of KERNELS) {
    const kernel = await kernelOf(name)
    kernels.set(name, { ...kernel, metered: meteredOf(kernel) })
  }
}, 60_000)

const slotsOf = (name: string): readonly Uint8Array[] => KERNELS.find(kernel => kernel.name === name)!.slots

async function init(name: string, text: string): Promise<{ code: number; reason: string | undefined }> {
  const instance = await instantiate<KernelExports>(kernels.get(name)!.raw)
  const code = beginAny(instance, text, slotsOf(name))
  return { code, reason: code === 0 ? undefined : say(instance).reason }
}

const withRecipe = (name: string, recipe: Recipe): string => textOf(manifestOf(name), { recipe, limit })

const parameters = KERNELS.flatMap(({ name }) =>
  Object.entries(manifestOf(name).recipe.properties).map(([parameter, schema]) => ({
    name,
    parameter,
    schema,
  })),
)

describe('the manifest and the kernel say the same', () => {
  test.each(parameters)('$name, $parameter', async ({ name, parameter, schema }) => {
    const { inside, outside } = edgesOf(schema)
    for (const value of inside)
      expect(await init(name, withRecipe(name, { [parameter]: value })), `${value}`).toEqual({
        code: 0,
        reason: undefined,
      })
    for (const value of outside)
      expect(await init(name, withRecipe(name, { [parameter]: value })), `${value}`).toEqual({
        code: 1,
        reason: `missing or out of range in the job: ${parameter}`,
      })
  })
})

test.each(['charlm', 'vision', 'cartpole'])('%s has a manifest that agrees with itself', name => {
  expect(manifestFault(manifestOf(name))).toBeUndefined()
})

describe('numbers near 0', () => {
  const near = KERNELS.flatMap(({ name }) =>
    ['weight_decay', 'momentum', 'final'].map(parameter => ({ name, parameter })),
  )
  test.each(near)('$name, $parameter', async ({ name, parameter }) => {
    const submitted = (value: number) => canonicalRecipe(manifestOf(name), { [parameter]: value })
    const smallest = submitted(1.234567e-15)
    expect(smallest).toMatchObject({ ok: true, recipe: { [parameter]: 1.23457e-15 } })
    if (smallest.ok) expect((await init(name, withRecipe(name, smallest.recipe))).code).toBe(0)
    const reason = `${parameter}: 9.99e-16 is too close to 0: write 0`
    expect(submitted(9.99e-16)).toEqual({ ok: false, reason })
  })
})

function edgesOf(schema: ParameterSchema): { inside: (string | number)[]; outside: (string | number)[] } {
  if (schema.type === 'string') return { inside: schema.enum, outside: ['other', 'adam', 3] }
  const { minimum, maximum, multipleOf } = schema
  const step = multipleOf ?? (schema.type === 'integer' ? 1 : 1e-6)
  const rounded = [minimum - step, maximum + step].map(value => Number(value.toPrecision(10)))
  const between = multipleOf === undefined ? [] : [minimum + 1]
  return { inside: [minimum, maximum], outside: [...rounded, ...between] }
}

/** A recipe that the manifest allows, drawn by the hash of its number. */
function drawRecipe(manifest: KernelManifest, index: number): Recipe {
  const drawn: Record<string, string | number> = {}
  Object.entries(manifest.recipe.properties).forEach(([name, schema], dimension) => {
    const u = uniform(2026, index, dimension)
    if (schema.type === 'string') drawn[name] = schema.enum[Math.floor(u * schema.enum.length)]!
    else {
      const { minimum, maximum, multipleOf = schema.type === 'integer' ? 1 : 0 } = schema
      const value = minimum + u * (maximum - minimum)
      drawn[name] = multipleOf === 0 ? value : Math.min(maximum, Math.round(value / multipleOf) * multipleOf)
    }
  })
  const canonical = canonicalRecipe(manifest, drawn)
  if (!canonical.ok) throw new Error(canonical.reason)
  return canonical.recipe
}

describe.each(KERNELS)('$name, any recipe that its manifest takes', ({ name, slots, fuel }) => {
  test('ends by itself within memory and fuel, or traps for want of fuel in its first update', async () => {
    const { manifest, metered } = kernels.get(name)!
    const statuses = new Map<string, number>()
    for (let index = 0; index < 40; index++) {
      const recipe = drawRecipe(manifest, index)
      const kernel = await instantiate<KernelExports>(metered)
      expect(beginAny(kernel, textOf(manifest, { recipe, limit: { fuel } }), slots), `recipe ${index}`).toBe(
        0,
      )
      const status = endOf(kernel, fuel)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      expect(['ok', 'diverged', 'infeasible', 'out of fuel'], `recipe ${index}`).toContain(status)
      const pages = kernel.memory.buffer.byteLength / 65_536
      expect(pages, `recipe ${index}`).toBeLessThanOrEqual(manifest.memoryPagesMax)
    }
    expect(statuses.get('ok')).toBeGreaterThan(5)
  })

  test('the largest recipe fits into the memory of the manifest', async () => {
    const { manifest, raw } = kernels.get(name)!
    const widest: Recipe = Object.fromEntries(
      Object.entries(manifest.recipe.properties).map(([parameter, schema]) => [
        parameter,
        schema.type === 'string' ? schema.enum.at(-1)! : schema.maximum,
      ]),
    )
    for (const model of ['mlp', 'cnn']) {
      const recipe = name === 'vision' ? { ...widest, model } : widest
      const kernel = await instantiate<KernelExports>(raw)
      expect(beginAny(kernel, textOf(manifest, { recipe, limit }), slots)).toBe(0)
      const pages = kernel.memory.buffer.byteLength / 65_536
      const data = name === 'vision' ? (96 * 1024 * 1024) / 65_536 : 0 // what a data set may have
      expect(pages + data).toBeLessThanOrEqual(manifest.memoryPagesMax)
    }
  })
})

/** How a run ends: its status, or that fuel was out. No other trap is borne. */
function endOf(kernel: KernelExports, fuel: number): string {
  try {
    const { said, fuelUsed } = drive(kernel, { limit: { fuel } })
    expect(fuelUsed).toBeLessThanOrEqual(fuel)
    return said.status
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError && kernel.xee_fuel!.value < 0n) return 'out of fuel'
    throw error
  }
}
