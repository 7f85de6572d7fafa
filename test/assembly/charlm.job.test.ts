import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { canonicalRecipe, KernelSource, memoryBound } from '#protocol/kernel.ts'
import {
  begin,
  instantiate,
  jobText,
  type KernelExports,
  moduleOf,
  RECIPE,
  sampleText,
  say,
} from './drive.ts'
import type { TrainingRecipe } from './training.ts'

const { selfTest: _, ...manifest } = KernelSource.parse(
  JSON.parse(readFileSync(new URL('../../assembly/charlm/manifest.json', import.meta.url), 'utf8')),
)
const inputs = { train: sampleText(2_000), val: sampleText(600, 7) }
const limit = { updates: 1 }

let raw: Uint8Array
beforeAll(async () => {
  raw = await moduleOf('charlm')
})

/** The code and the reason of `xee_init` for a job's text. */
async function init(
  text: string,
  given: typeof inputs = inputs,
): Promise<{ code: number; reason: string | undefined }> {
  const kernel = await instantiate<KernelExports>(raw)
  const code = begin(kernel, { limit }, given, text)
  return { code, reason: code === 0 ? undefined : say(kernel).reason }
}

const withRecipe = (change: object): string => jobText({ recipe: change, limit })

describe('the manifest and the kernel say the same', () => {
  const numbers = Object.entries(manifest.recipe.properties).flatMap(([name, schema]) =>
    schema.type === 'string' ? [] : [{ name, ...schema }],
  )

  test('its defaults are a whole recipe that the kernel takes', async () => {
    const canonical = canonicalRecipe(manifest, {})
    if (!canonical.ok) throw new Error(canonical.reason)
    expect(canonical.recipe).toEqual(RECIPE)
    expect(await init(withRecipe({}))).toEqual({ code: 0, reason: undefined })
  })

  test.each(numbers)('$name: its range is taken to the edge, and refused beyond it', async schema => {
    const { name, minimum, maximum } = schema
    // Neighbours that do not depend on this parameter: a width that 16 heads divide, a context that train covers.
    const around = name === 'width' ? { heads: 1 } : { width: 64 }
    for (const value of [minimum, maximum]) {
      expect(await init(withRecipe({ ...around, [name]: value })), `${value}`).toMatchObject({ code: 0 })
    }
    for (const value of [minimum - (schema.multipleOf ?? 1e-6), maximum + (schema.multipleOf ?? 1e-4)]) {
      const rounded =
        schema.type === 'integer' ? Math.round(value < minimum ? minimum - 1 : maximum + 1) : value
      expect(
        await init(withRecipe({ ...around, [name]: Number(rounded.toPrecision(12)) })),
        `${rounded}`,
      ).toEqual({
        code: 1,
        reason: `missing or out of range in the job: ${name}`,
      })
    }
  })

  const texts = Object.entries(manifest.recipe.properties).flatMap(([name, schema]) =>
    schema.type === 'string' ? [{ name, words: schema.enum }] : [],
  )

  test.each(texts)('$name: each word is taken, others are refused', async ({ name, words }) => {
    for (const word of words)
      expect(await init(withRecipe({ [name]: word })), word).toEqual({ code: 0, reason: undefined })
    for (const word of ['', 'LSX', `${words[0]}x`, `${words[0]},${words[1]}`, 'LLLLLLLLL', 7])
      expect((await init(withRecipe({ [name]: word }))).code, `${word}`).toBe(1)
  })

  test.each([
    [{ position: 'rope', width: 24, heads: 2 }, 'position'],
    [{ qk_norm: 'on', width: 16, heads: 4 }, 'qk_norm'],
    [{ softcap: 0.5 }, 'softcap'],
    [{ width: 40, heads: 3 }, 'heads'],
  ])('%j breaks a rule: refused at submission with a sentence, and by the kernel', async (change, name) => {
    const submitted = canonicalRecipe(manifest, change)
    expect(submitted).toMatchObject({ ok: false, reason: expect.stringContaining(`${name}`) })
    expect(await init(withRecipe(change))).toEqual({
      code: 1,
      reason: `missing or out of range in the job: ${name}`,
    })
  })

  test.each([
    [{ vocabulary: 'words' }, 'vocabulary'],
    [{ width: 20 }, 'width'],
    [{ heads: 3 }, 'heads'],
    [{ depth: 1.5 }, 'depth'],
    [{ lr: '0.001' }, 'lr'],
    [{ lr: null }, 'lr'],
    [{ batch: undefined }, 'batch'],
  ])('%j is refused by name', async (change, name) => {
    const { code, reason } = await init(withRecipe(change))
    expect([code, reason]).toEqual([1, `missing or out of range in the job: ${name}`])
  })

  test('its memory is the maximum that the module declares', () => {
    const admission = admit(raw, { memoryPagesMax: manifest.memoryPagesMax })
    expect(admission).toMatchObject({ ok: true, facts: { memoryPagesMax: manifest.memoryPagesMax } })
  })
})

describe('the job', () => {
  test('may have its members in any order, white space, and members that the kernel does not know', async () => {
    const { recipe, ...job } = JSON.parse(withRecipe({}))
    const odd = {
      note: 'a \\"quoted\\" }',
      nested: { seed: [1, { limit: '}' }], e: [] },
      recipe,
      ...job,
      until: null,
    }
    expect(await init(JSON.stringify(odd, null, 3))).toMatchObject({ code: 0 })
    expect(await init(JSON.stringify({ z: -1.5e-7, t: true, ...odd }))).toMatchObject({ code: 0 })
  })

  test('is refused, never misread into a crash, wherever it is cut', async () => {
    const text = withRecipe({})
    for (let length = 0; length < text.length; length += 7) {
      expect((await init(text.slice(0, length))).code, text.slice(0, length)).toBe(1)
    }
    for (const junk of ['null', '[]', '"', '{', '{"', '{"task"', '{"task":', '[[[[', '\\', '}', '{"a":"\\']) {
      expect((await init(junk)).code, junk).toBe(1)
    }
  })

  test('needs a limit, a task and a seed of 48 bits', async () => {
    const job = JSON.parse(withRecipe({}))
    const refusals = [
      [{ limit: {} }, 'limit'],
      [{ limit: { fuel: 0 } }, 'fuel'],
      [{ limit: { updates: 1.5 } }, 'updates'],
      [{ task: 'play' }, 'task'],
      [{ seed: 2 ** 48 }, 'seed'],
      [{ seed: -1 }, 'seed'],
    ] as const
    for (const [change, name] of refusals) {
      expect((await init(JSON.stringify({ ...job, ...change }))).reason).toContain(`: ${name}`)
    }
  })

  test('needs data: a validation text of two bytes, a training text longer than a window', async () => {
    const text = withRecipe({})
    expect(await init(text, { ...inputs, val: sampleText(1) })).toMatchObject({ code: 2 })
    expect(await init(text, { ...inputs, train: sampleText(32) })).toMatchObject({ code: 2 })
    expect(await init(text, { train: sampleText(33), val: sampleText(2) })).toMatchObject({ code: 0 })
  })
})

describe('recipes at the edges', () => {
  const corners = [1, 8].flatMap(depth =>
    [16, 512].flatMap(width =>
      [1, 16].flatMap(heads =>
        [16, 256].flatMap(context => [1, 64].map(batch => ({ depth, width, heads, context, batch }))),
      ),
    ),
  )

  test.each(corners)(
    'depth $depth, width $width, heads $heads, context $context, batch $batch: fits, or is refused at submission',
    async corner => {
      const kernel = await instantiate<KernelExports>(raw)
      const code = begin(kernel, { recipe: { ...corner, vocabulary: 'bytes' }, limit }, inputs)
      const bytes = kernel.memory.buffer.byteLength
      expect(bytes / 65_536).toBeLessThanOrEqual(manifest.memoryPagesMax)
      const submitted = canonicalRecipe(manifest, { ...corner, vocabulary: 'bytes' })
      if (submitted.ok) expect(code).toBe(0)
      if (code !== 0) {
        expect([code, say(kernel).reason]).toEqual([
          4,
          'the recipe needs more memory than the manifest declares',
        ])
        expect(corner).toMatchObject({ depth: 8, width: 512 })
        return
      }
      if (submitted.ok) expect(bytes).toBeLessThanOrEqual(memoryBound(manifest, submitted.recipe))
      for (let step = 0; step < 3; step++) expect(kernel.xee_step(1n)).toBeGreaterThanOrEqual(0)
      expect(['running', 'ok']).toContain(say(kernel).status)
    },
  )

  test('the bound on memory is above what is taken, by no more than the room for data and a tenth', async () => {
    const options = [
      {},
      { activation: 'swiglu', optimizer: 'muon', head: 'untied', value_embeddings: 'on' },
      { norm: 'rms', position: 'rope', qk_norm: 'on', softcap: 15, mlp_ratio: 1 },
    ]
    for (const option of options)
      for (const width of [64, 256, 448])
        for (const depth of [1, 4]) {
          const recipe = { width, depth, heads: 2, context: 256, batch: 9, vocabulary: 'bytes', ...option }
          const submitted = canonicalRecipe(manifest, recipe)
          if (!submitted.ok) continue
          const kernel = await instantiate<KernelExports>(raw)
          expect(begin(kernel, { recipe: { ...RECIPE, ...recipe }, limit }, inputs)).toBe(0)
          const taken = kernel.memory.buffer.byteLength
          const bound = memoryBound(manifest, submitted.recipe)
          expect(taken, JSON.stringify(recipe)).toBeLessThanOrEqual(bound)
          expect(bound - 24 * 2 ** 20, JSON.stringify(recipe)).toBeLessThanOrEqual(taken * 1.1 + 2 ** 21)
        }
  })

  test('what cannot fit is refused with the sizes', () => {
    expect(canonicalRecipe(manifest, { width: 512, depth: 8 })).toEqual({
      ok: false,
      reason:
        'memory: may need 483 MiB of 256 (depth 8, width 512, heads 2, context 32, batch 8, mlp_ratio 4)',
    })
    for (const depth of [1, 2, 3, 4])
      expect(canonicalRecipe(manifest, { width: depth === 4 ? 448 : 512, depth })).toMatchObject({ ok: true })
  })

  test('no slice of the widest recipe exceeds 2 GFLOP, nor 2.4e9 instructions', async () => {
    const admission = admit(raw)
    if (!admission.ok) throw new Error('not admitted')
    const kernel = await instantiate<KernelExports>(admission.module)
    const recipe: Partial<TrainingRecipe> = {
      depth: 1,
      width: 512,
      heads: 1,
      context: 256,
      batch: 1,
      vocabulary: 'bytes',
    }
    begin(kernel, { recipe, limit }, inputs)
    const prices: bigint[] = []
    const fuel = 10n ** 15n
    for (let code = 0; code === 0; prices.push(fuel - kernel.xee_fuel!.value)) {
      kernel.xee_fuel!.value = fuel
      code = kernel.xee_step(fuel)
    }
    const { flops } = say(kernel).counters
    expect(flops).toBeGreaterThan(5e9) // one update, cut into several slices
    expect(prices.length).toBeGreaterThan(5)
    expect(prices.every(price => price < 24n * 10n ** 8n)).toBe(true)
  })

  test('after the beginning nothing can be written in: xee_alloc gives no room, a second xee_init is refused', async () => {
    const kernel = await instantiate<KernelExports>(raw)
    expect(kernel.xee_abi()).toBe(1)
    expect(kernel.xee_step(1n)).toBeLessThan(0)
    expect(kernel.xee_alloc(4, 10)).toBe(0)
    expect(kernel.xee_alloc(-1, 10)).toBe(0)
    expect(kernel.xee_alloc(1, -1)).toBe(0)
    expect(begin(kernel, { limit }, inputs)).toBe(0)
    expect(kernel.xee_alloc(1, 10)).toBe(0)
    expect(kernel.xee_init()).not.toBe(0)
    expect(kernel.xee_step(1n)).toBeGreaterThanOrEqual(0)
  })
})
