import { z } from 'zod'
import { canonicalJson } from './canonical.ts'
import type { Recipe } from './job.ts'
import { FUEL_MAX, MEMORY_PAGES_MAX, UPDATES_MAX } from './limits.ts'
import { PublicKeyText, SignatureText } from './signature.ts'
import { Sha256 } from './units.ts'

/** One parameter of a recipe: the small part of JSON Schema that kernels may use. */
export const ParameterSchema = z.union([
  z.strictObject({
    type: z.enum(['integer', 'number']),
    minimum: z.number(),
    maximum: z.number(),
    multipleOf: z.number().positive().optional(),
    default: z.number(),
    description: z.string().max(300).optional(),
  }),
  z.strictObject({
    type: z.literal('string'),
    enum: z.array(z.string().max(100)).min(1).max(64),
    default: z.string(),
    description: z.string().max(300).optional(),
  }),
])
export type ParameterSchema = z.infer<typeof ParameterSchema>

export const RecipeSchema = z.strictObject({
  type: z.literal('object'),
  additionalProperties: z.literal(false),
  properties: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,39}$/), ParameterSchema),
})
export type RecipeSchema = z.infer<typeof RecipeSchema>

/** `divides: [a, b]`: recipe parameter a divides parameter b. The only relation between parameters that manifests state so far. */
export const RecipeRule = z.strictObject({ divides: z.tuple([z.string(), z.string()]) })

/** `bytes` for each unit of the product of these parameters; one that is named twice is squared. */
const MemoryTerm = z.strictObject({
  bytes: z.int().positive(),
  of: z.array(z.string()).min(1).max(6),
})

export const KernelManifest = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  version: z.int().min(0).max(999_999),
  /** Grows with every release of the name; a client never goes back. */
  serial: z.int().min(1),
  engine: z.literal('wasm'),
  abi: z.literal('xee-1'),
  fuelTable: z.literal('fuel-1'),
  title: z.string().max(200),
  recipe: RecipeSchema,
  rules: z.array(RecipeRule).max(16).default([]),
  slots: z
    .array(z.strictObject({ name: z.string().max(40), split: z.enum(['train', 'val', 'test']) }))
    .min(1)
    .max(8),
  memoryPagesMax: z.int().min(1).max(MEMORY_PAGES_MAX),
  /** Terms whose sum no recipe does with less than, so that one which cannot run is refused before it costs anything. */
  memory: z.array(MemoryTerm).max(16).default([]),
  metric: z.strictObject({ name: z.string().max(40), goal: z.enum(['minimize', 'maximize']) }),
  bounds: z.strictObject({
    fuelMax: z.int().positive().max(FUEL_MAX),
    updatesMax: z.int().positive().max(UPDATES_MAX),
  }),
})
export type KernelManifest = z.infer<typeof KernelManifest>

/** What an operator signs to admit a release. */
export const ReleaseStatement = z.strictObject({
  type: z.literal('xeenet/kernel-release/1'),
  name: z.string(),
  version: z.int(),
  serial: z.int(),
  releaseSha256: Sha256,
  moduleSha256: Sha256,
  /** Fingerprint of the signing key. */
  keyId: Sha256,
})
export type ReleaseStatement = z.infer<typeof ReleaseStatement>

export const SignedRelease = z.strictObject({ statement: ReleaseStatement, signature: SignatureText })
export type SignedRelease = z.infer<typeof SignedRelease>

/** A key names its successor: the only way a client accepts another key than the one it pinned. */
export const SuccessorStatement = z.strictObject({
  type: z.literal('xeenet/key-successor/1'),
  oldKeyId: Sha256,
  newPublicKey: PublicKeyText,
})
export const SignedSuccessor = z.strictObject({ statement: SuccessorStatement, signature: SignatureText })
export type SignedSuccessor = z.infer<typeof SignedSuccessor>

/** Floats carry six significant digits, so that a recipe has one text and kernels can parse it exactly. */
export const sixDigits = (value: number): number => Number(value.toPrecision(6))

export type CanonicalRecipe =
  | { readonly ok: true; readonly recipe: Recipe }
  | { readonly ok: false; readonly reason: string }

/** Fills in defaults, rounds floats, and checks every parameter and rule; the reason names the parameter. */
export function canonicalRecipe(manifest: KernelManifest, given: Recipe): CanonicalRecipe {
  const { properties } = manifest.recipe
  const foreign = Object.keys(given).find(name => !Object.hasOwn(properties, name))
  if (foreign !== undefined) return { ok: false, reason: `${foreign}: the kernel has no such parameter` }
  const recipe: Record<string, string | number | boolean> = {}
  for (const [name, schema] of Object.entries(properties)) {
    const value = given[name] ?? schema.default
    const reason = valueFault(schema, value)
    if (reason !== undefined) return { ok: false, reason: `${name}: ${reason}` }
    recipe[name] = typeof value === 'number' ? sixDigits(value) : value
  }
  for (const { divides } of manifest.rules) {
    const [a, b] = divides.map(name => recipe[name])
    if (typeof a !== 'number' || typeof b !== 'number' || b % a !== 0)
      return { ok: false, reason: `${divides[0]}: ${a} does not divide ${divides[1]} ${b}` }
  }
  const bytes = bytesOf(manifest, recipe)
  const room = manifest.memoryPagesMax * PAGE_BYTES
  if (bytes > room) {
    const reason = `memory: needs at least ${toMiB(bytes)} MiB of ${toMiB(room)} (${sizesOf(manifest, recipe)})`
    return { ok: false, reason }
  }
  return { ok: true, recipe: JSON.parse(canonicalJson(recipe)) }
}

const PAGE_BYTES = 64 * 1024
const toMiB = (bytes: number): number => Math.ceil(bytes / 2 ** 20)

/** The least memory that a run of this recipe takes, by the manifest's terms. */
function bytesOf({ memory }: KernelManifest, recipe: Recipe): number {
  const value = (name: string): number => Number(recipe[name] ?? 0)
  return memory.reduce(
    (sum, { bytes, of }) => sum + of.reduce((product, name) => product * value(name), bytes),
    0,
  )
}

const sizesOf = ({ memory }: KernelManifest, recipe: Recipe): string =>
  [...new Set(memory.flatMap(term => term.of))].map(name => `${name} ${recipe[name]}`).join(', ')

/** Why a value is none of a parameter's; undefined when it is one. */
export function valueFault(schema: ParameterSchema, value: string | number | boolean): string | undefined {
  if (schema.type === 'string') {
    const known = typeof value === 'string' && schema.enum.includes(value)
    return known ? undefined : `expected one of ${schema.enum.join(', ')}, got ${value}`
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) return `expected a number, got ${value}`
  if (schema.type === 'integer' && !Number.isInteger(value)) return `expected a whole number, got ${value}`
  if (value < schema.minimum || value > schema.maximum)
    return `${value} is outside ${schema.minimum}…${schema.maximum}`
  if (schema.multipleOf !== undefined && value % schema.multipleOf !== 0)
    return `${value} is not a multiple of ${schema.multipleOf}`
  return undefined
}
