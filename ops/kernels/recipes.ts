import type { Recipe } from '#protocol/job.ts'
import { canonicalRecipe, type KernelManifest, type ParameterSchema } from '#protocol/kernel.ts'

/** Uniform in [0, 1). */
export type Rng = () => number

/** A generator that follows from a hash: xorshift32, enough to spread recipes. */
export function rngFrom(hash: string): Rng {
  let state = Number.parseInt(hash.slice(0, 8), 16) || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

const DRAWS_MAX = 1_000

/** The defaults, then recipes drawn from the manifest's ranges, corners included; fewer when the rules refuse most. */
export function randomRecipes(manifest: KernelManifest, rng: Rng, count: number): Recipe[] {
  const found: Recipe[] = []
  for (let draw = 0; draw < DRAWS_MAX && found.length < count; draw++) {
    const given = draw === 0 ? {} : drawRecipe(manifest, rng)
    const canonical = canonicalRecipe(manifest, given)
    if (canonical.ok) found.push(canonical.recipe)
  }
  return found
}

const drawRecipe = ({ recipe }: KernelManifest, rng: Rng): Recipe =>
  Object.fromEntries(
    Object.entries(recipe.properties).map(([name, schema]) => [name, drawValue(schema, rng)]),
  )

/** Half of the numbers lie at an end of their range. */
function drawValue(schema: ParameterSchema, rng: Rng): string | number {
  if (schema.type === 'string') return schema.enum[Math.floor(rng() * schema.enum.length)] ?? schema.default
  const { minimum, maximum, multipleOf = schema.type === 'integer' ? 1 : 0 } = schema
  const corner = rng()
  const value = corner < 0.25 ? minimum : corner < 0.5 ? maximum : minimum + rng() * (maximum - minimum)
  if (multipleOf === 0) return value
  const stepped = Math.floor(value / multipleOf) * multipleOf
  return stepped < minimum ? stepped + multipleOf : stepped
}
