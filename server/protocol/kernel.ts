import { z } from 'zod'
import { canonicalJson } from './canonical.ts'
import { evaluate, Formula, namesIn } from './formula.ts'
import { Limit, Recipe } from './job.ts'
import {
  FUEL_MAX,
  MEMORY_PAGES_MAX,
  METRIC_ABS_MAX,
  SEED_MAX,
  SELF_TEST_BYTES_MAX,
  UPDATES_MAX,
} from './limits.ts'
import { NativeForm } from './native.ts'
import { brokenRule, namesOfRule, RecipeRule } from './recipe-rule.ts'
import { PublicKeyText, SignatureText } from './signature.ts'
import { line } from './text.ts'
import { Sha256, WireInstant } from './units.ts'

/** One parameter of a recipe: the small part of JSON Schema that kernels may use. */
export const ParameterSchema = z.union([
  z.strictObject({
    type: z.enum(['integer', 'number']),
    minimum: z.number(),
    maximum: z.number(),
    multipleOf: z.number().positive().optional(),
    default: z.number(),
    description: line(300).optional(),
  }),
  z.strictObject({
    type: z.literal('string'),
    enum: z.array(line(100)).min(1).max(64),
    default: line(100),
    description: line(300).optional(),
  }),
])
export type ParameterSchema = z.infer<typeof ParameterSchema>

export const RecipeSchema = z.strictObject({
  type: z.literal('object'),
  additionalProperties: z.literal(false),
  properties: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,39}$/), ParameterSchema),
})
export type RecipeSchema = z.infer<typeof RecipeSchema>

/** Bytes of memory that no run of a recipe exceeds. Each definition may use those before it. */
const MemoryBound = z.strictObject({
  define: z
    .array(z.tuple([z.string().max(40), Formula]))
    .max(32)
    .default([]),
  bytes: Formula,
})

/** What a run is judged by. No honest report says less than the minimum or more than the maximum. */
export const KernelMetric = z.strictObject({
  name: line(40),
  goal: z.enum(['minimize', 'maximize']),
  minimum: z.number().min(-METRIC_ABS_MAX).max(METRIC_ABS_MAX).default(0),
  maximum: z.number().min(-METRIC_ABS_MAX).max(METRIC_ABS_MAX).default(METRIC_ABS_MAX),
})
export type KernelMetric = z.infer<typeof KernelMetric>

/** Bytes by formula, so that a release need not carry them: the hexadecimal `head`, then `bytes` of a pattern (selfTestBytes). */
const SelfTestPart = z.strictObject({
  head: z
    .string()
    .regex(/^([0-9a-f]{2}){0,256}$/)
    .default(''),
  bytes: z.int().min(0).max(SELF_TEST_BYTES_MAX),
  from: z.int().min(0).max(255),
  span: z.int().min(1).max(256),
})

/**
 * Tiny trainings whose end is known: an engine that ends them otherwise does not compute this kernel as all others do.
 * Several, since what was never run was never tested. `data` has the parts of each slot's file. `digest` is the SHA-256 of
 * the digests of their reports, as text, one behind the other; it follows from the module, so the build computes it.
 */
export const SelfTest = z.strictObject({
  runs: z
    .array(z.strictObject({ recipe: Recipe, limit: Limit }))
    .min(1)
    .max(8),
  seed: z.int().min(0).max(SEED_MAX),
  data: z.array(z.array(SelfTestPart).max(4)).max(8),
  digest: Sha256,
})
export type SelfTest = z.infer<typeof SelfTest>

/** The data of one slot, part by part: byte i of a pattern is from + ((i·(i + slot + 1)) >> 3) mod span, modulo 256. */
export function selfTestBytes(data: SelfTest['data'], slot: number): Uint8Array {
  const parts = (data[slot] ?? []).flatMap(({ head, bytes, from, span }) => [
    Uint8Array.from({ length: head.length / 2 }, (_, i) => Number.parseInt(head.slice(2 * i, 2 * i + 2), 16)),
    Uint8Array.from({ length: bytes }, (_, i) => from + (((i * (i + slot + 1)) >> 3) % span)),
  ])
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** How a foreign kernel was made: the entry among the sources of its release, and the compiler that the build adds. */
const KernelOrigin = z.strictObject({
  language: z.enum(['assemblyscript', 'c']),
  entry: z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,59}$/),
  compiler: line(60).optional(),
})
export type KernelLanguage = z.infer<typeof KernelOrigin>['language']

export const KernelManifest = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  version: z.int().min(0).max(999_999),
  /** Grows with every release of the name; a client never goes back. */
  serial: z.int().min(1),
  /** Absent in the kernels of this repository, which are built from its `assembly/`. */
  source: KernelOrigin.optional(),
  engine: z.literal('wasm'),
  abi: z.literal('xee-1'),
  fuelTable: z.literal('fuel-1'),
  title: line(200),
  recipe: RecipeSchema,
  rules: z.array(RecipeRule).max(16).default([]),
  slots: z.array(z.strictObject({ name: line(40), split: z.enum(['train', 'val', 'test']) })).max(8),
  memoryPagesMax: z.int().min(1).max(MEMORY_PAGES_MAX),
  /** A recipe that may need more than `memoryPagesMax` is refused at submission, before it costs anything. */
  memory: MemoryBound.optional(),
  /** Runs that end ok and differ in nothing but the seed execute the same instructions: another count is a sign of a lie. */
  steadyFuel: z.boolean().optional(),
  /** Knows jobs with rungs; of another kernel no run can be cut short. */
  rungs: z.boolean().optional(),
  /** Absent: only the kernel itself computes it. */
  native: NativeForm.optional(),
  metric: KernelMetric,
  bounds: z.strictObject({
    fuelMax: z.int().positive().max(FUEL_MAX),
    updatesMax: z.int().positive().max(UPDATES_MAX),
  }),
  /** Absent only in releases from before there were self-tests; no host computes those, and none is admitted any more. */
  selfTest: SelfTest.optional(),
})
export type KernelManifest = z.infer<typeof KernelManifest>

/** The manifest in a kernel's source: what the build has not computed yet is missing. */
export const KernelSource = KernelManifest.extend({ selfTest: SelfTest.omit({ digest: true }) })
export type KernelSource = z.infer<typeof KernelSource>

/** What a manifest says about recipes. */
export type RecipeTerms = Pick<KernelManifest, 'recipe' | 'rules' | 'memory' | 'memoryPagesMax' | 'native'>

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

/** GET /api/v1/signing-keys: the operator's keys in the order in which they ended; the last one signs. */
export const SigningKeyList = z.object({
  keys: z.array(
    z.object({
      keyId: Sha256,
      publicKey: PublicKeyText,
      since: WireInstant,
      /** Null: it signs kernels and blocks of the ledger. */
      until: WireInstant.nullable(),
      /** Its word for the next one; null: it signs, or was replaced by hand, and then nobody has to believe the next. */
      successor: SignedSuccessor.nullable(),
    }),
  ),
})
export type SigningKeyList = z.infer<typeof SigningKeyList>

// Kernels read decimals exactly by one rounding, which powers of ten up to 22 allow; with six digits these do.
const MAGNITUDE_MIN = 1e-15

/** Floats carry six significant digits, so that a recipe has one text and kernels can parse it exactly. */
export const sixDigits = (value: number): number => Number(value.toPrecision(6))

export type CanonicalRecipe =
  | { readonly ok: true; readonly recipe: Recipe }
  | { readonly ok: false; readonly reason: string }

/** Fills in defaults, rounds floats, and checks every parameter and rule; the reason names the parameter. */
export function canonicalRecipe(manifest: RecipeTerms, given: Recipe): CanonicalRecipe {
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
  const reason = brokenRule(manifest.rules, recipe) ?? tooLarge(manifest, recipe)
  if (reason !== undefined) return { ok: false, reason }
  return { ok: true, recipe: JSON.parse(canonicalJson(recipe)) }
}

/** Why a manifest contradicts itself, or undefined. A name that is nobody's would silently count as 0. */
export function manifestFault(manifest: RecipeTerms): string | undefined {
  const { rules, memory, recipe, native } = manifest
  const parameters = Object.keys(recipe.properties)
  const found = [
    ...[...rules, ...(native?.calm ?? [])].flatMap(namesOfRule).filter(name => !parameters.includes(name)),
    ...strangersIn(parameters, memory?.define ?? [], memory?.bytes ?? 0),
    ...strangersIn(parameters, native?.flops.define ?? [], native?.flops.update ?? 0),
  ]
  if (found.length > 0) return `${found[0]}: no parameter, and not defined before it is used`
  const defaults = canonicalRecipe(manifest, {})
  return defaults.ok ? undefined : `the defaults are no recipe: ${defaults.reason}`
}

/** Names in a formula, or in what it is defined by, that nobody has defined before. */
function strangersIn(
  parameters: readonly string[],
  define: readonly (readonly [string, Formula])[],
  result: Formula,
): string[] {
  const known = new Set(parameters)
  const found: string[] = []
  for (const [name, formula] of define) {
    found.push(...namesIn(formula).filter(used => !known.has(used)))
    known.add(name)
  }
  return [...found, ...namesIn(result).filter(used => !known.has(used))]
}

const PAGE_BYTES = 64 * 1024
const toMiB = (bytes: number): number => Math.ceil(bytes / 2 ** 20)

/** The most memory that a run of this recipe takes, in bytes; 0 if the manifest does not say. */
export function memoryBound({ memory }: RecipeTerms, recipe: Recipe): number {
  if (memory === undefined) return 0
  const values: Record<string, unknown> = { ...recipe }
  for (const [name, formula] of memory.define) values[name] = evaluate(formula, values)
  return evaluate(memory.bytes, values)
}

/** The numbers of the recipe that the bound names. */
function sizesOf({ memory }: RecipeTerms, recipe: Recipe): string {
  const formulas = memory === undefined ? [] : [...memory.define.map(([, formula]) => formula), memory.bytes]
  const names = new Set(formulas.flatMap(namesIn))
  return Object.entries(recipe)
    .flatMap(([name, value]) => (typeof value === 'number' && names.has(name) ? [`${name} ${value}`] : []))
    .join(', ')
}

function tooLarge(manifest: RecipeTerms, recipe: Recipe): string | undefined {
  const bytes = memoryBound(manifest, recipe)
  const room = manifest.memoryPagesMax * PAGE_BYTES
  if (bytes <= room) return undefined
  return `memory: may need ${toMiB(bytes)} MiB of ${toMiB(room)} (${sizesOf(manifest, recipe)})`
}

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
  if (value !== 0 && Math.abs(value) < MAGNITUDE_MIN) return `${value} is too close to 0: write 0`
  if (schema.multipleOf !== undefined && value % schema.multipleOf !== 0)
    return `${value} is not a multiple of ${schema.multipleOf}`
  return undefined
}
