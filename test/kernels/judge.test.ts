// Kernels that break their word: each differs from the page's in one place, and is refused by the code for it.

import { expect, test } from 'vitest'
import { admit } from '#kernels/admit.ts'
import { compileSources } from '#ops/kernels/compile.ts'
import { judge } from '#ops/kernels/judge.ts'
import { randomRecipes, rngFrom } from '#ops/kernels/recipes.ts'
import { selfTestData } from '#ops/kernels/runs.ts'
import { templateOf } from '#ops/kernels/template.ts'
import { sha256, utf8 } from '#protocol/canonical.ts'
import { canonicalRecipe, KernelManifest, KernelSource } from '#protocol/kernel.ts'

const template = await templateOf('broken', 'assemblyscript')
const code = template.get('kernel.ts')!
const MANIFEST = KernelSource.parse(JSON.parse(template.get('manifest.json')!))
const SHORT = {
  ...MANIFEST,
  selfTest: { ...MANIFEST.selfTest, runs: [{ recipe: {}, limit: { fuel: 60_000_000 } }] },
}

async function judged(changes: object, from: string, to: string) {
  expect(code).toContain(from)
  const changed = utf8(code.replace(from, () => to))
  const source = KernelSource.parse({ ...SHORT, ...changes })
  const admission = admit(await compileSources('kernel.ts', new Map([['kernel.ts', changed]]), 1024), {
    memoryPagesMax: 1024,
  })
  if (!admission.ok) throw new Error(JSON.stringify(admission.refusals))
  const { selfTest, ...rest } = source
  const manifest = KernelManifest.parse(rest)
  const module = await WebAssembly.compile(new Uint8Array(admission.module))
  const moduleSha256 = await sha256(admission.module)
  return judge({ manifest, moduleSha256, module, data: selfTestData(manifest, selfTest) }, selfTest, manifest)
}

const SAME = ['const PAIRS', 'const PAIRS'] as const

test.each<[string, string, object, readonly [string, string], RegExp]>([
  [
    'counts how often it is asked',
    'depends_on_being_asked',
    {},
    ['{ return i32(output) }', '{ store<u8>(state, load<u8>(state) + 1); return i32(output) }'],
    /self-test 1/,
  ],
  [
    'plans without its evaluation',
    'traps',
    {},
    ['evaluation + fuel / 50', 'u64(0)'],
    /traps after \d+ instructions/,
  ],
  [
    'evaluates other weights than it is given',
    'evaluation_differs',
    {},
    ['memory.copy(weights, start(3) + HEADER, WEIGHTS_BYTES)', ''],
    /its weights give 8/,
  ],
  ['shows no weights', 'artifact_missing', {}, ['status == 1 && !evaluating', 'false'], /no weights/],
  [
    'declines what its manifest allows',
    'recipe_declined',
    {},
    ['if (bytes(2) < 2)', "if (lr > 3) return refuse(5, 'no')\n  if (bytes(2) < 2)"],
    /"lr":4.*code 5/,
  ],
  [
    'makes one update less than was asked',
    'updates_miscounted',
    {},
    ["planned = u32(numberAt(find('updates')))", "planned = max<u32>(1, u32(numberAt(find('updates'))) - 1)"],
    /counters\.updates is/,
  ],
  [
    'states less memory than it takes',
    'memory_bound_low',
    { memory: { bytes: 100_000 } },
    SAME,
    /memory\.bytes says 100000/,
  ],
  [
    'states less fuel than it takes',
    'report_refused',
    { bounds: { fuelMax: 2_000_000, updatesMax: 10 } },
    SAME,
    /more than the limit 2000000/,
  ],
  [
    'names another metric',
    'report_refused',
    { metric: { name: 'accuracy', goal: 'maximize' } },
    SAME,
    /the kernel's is accuracy/,
  ],
  ['says what is no JSON', 'output_invalid', {}, ['\'{"status":"\'', '\'{"status:"\''], /self-test 1/],
])('one that %s: %s', async (_what, expected, changes, [from, to], detail) => {
  const verdict = await judged(changes, from, to)
  expect(verdict.reasons[0]).toMatchObject({ code: expected, detail: expect.stringMatching(detail) })
  expect(verdict.digest).toBeNull()
})

test('the one of the page has nothing against it', async () => {
  expect((await judged({}, ...SAME)).reasons).toEqual([])
})

test('recipes are drawn within the manifest, corners included', () => {
  const { selfTest: _, ...rest } = MANIFEST
  const manifest = KernelManifest.parse(rest)
  const recipes = randomRecipes(manifest, rngFrom('0badc0de'), 32)
  expect(recipes).toHaveLength(32)
  for (const recipe of recipes) expect(canonicalRecipe(manifest, recipe)).toEqual({ ok: true, recipe })
  const rates = recipes.map(recipe => recipe.lr)
  expect(rates).toContain(4)
  expect(rates).toContain(0.001)
})
