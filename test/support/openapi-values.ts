import fc from 'fast-check'

interface Components {
  readonly schemas: Readonly<Record<string, object | boolean>>
}

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly (object | boolean)[]
  readonly oneOf?: readonly (object | boolean)[]
  readonly allOf?: readonly object[]
  readonly properties?: Readonly<Record<string, object | boolean>>
  readonly required?: readonly string[]
  readonly additionalProperties?: object | boolean
  readonly items?: object | boolean
  readonly minItems?: number
  readonly maxItems?: number
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
}

/** Values that a JSON Schema allows, as far as it says so by types, bounds, patterns and choices. */
export function jsonFor(object: object | boolean, components: Components, depth = 0): fc.Arbitrary<unknown> {
  if (typeof object === 'boolean') return fc.jsonValue({ maxDepth: 1 })
  const schema: Schema = object
  const inner = (part: object | boolean): fc.Arbitrary<unknown> => jsonFor(part, components, depth + 1)
  if (schema.$ref !== undefined) return inner(components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {})
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return fc.oneof(...choices.map(inner))
  const { type } = schema
  if (type === 'string') return stringFor(schema)
  if (type === 'integer' || type === 'number') return numberFor(schema)
  if (type === 'boolean') return fc.boolean()
  if (type === 'null') return fc.constant(null)
  if (type === 'array' && schema.items !== undefined) {
    const minLength = schema.minItems ?? 0
    return fc.array(inner(schema.items), {
      minLength,
      maxLength: Math.max(minLength, Math.min(schema.maxItems ?? 3, 3)),
    })
  }
  if (type === 'object' && depth < 6) return objectFor(schema, inner)
  return fc.jsonValue({ maxDepth: 1 })
}

function objectFor(
  schema: Schema,
  inner: (part: object | boolean) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const { properties, required = [], additionalProperties } = schema
  if (properties === undefined)
    return typeof additionalProperties === 'object'
      ? fc.dictionary(fc.constantFrom('lr', 'width', 'depth'), inner(additionalProperties), { maxKeys: 3 })
      : fc.constant({})
  const parts = Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, inner(part)]))
  return fc.record(parts, { requiredKeys: required.filter(name => name in parts) })
}

function stringFor({ pattern, format, minLength = 0, maxLength = 30 }: Schema): fc.Arbitrary<string> {
  if (format === 'date-time')
    return fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map(date => date.toISOString())
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  return fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 30)) })
}

function numberFor({ type, minimum = -1e6, maximum = 1e9 }: Schema): fc.Arbitrary<number> {
  const [min, max] = [Math.max(minimum, -1e9), Math.min(maximum, 1e12)]
  return type === 'integer'
    ? fc.integer({ min: Math.ceil(min), max: Math.floor(max) })
    : fc.double({ min, max, noNaN: true })
}

const CAMPAIGN = {
  ...{ title: 'Which rate?', kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
  budget: { fuel_per_run: 1e9, runs: 4, credits: 10 },
  ...{ space: { lr: { log: [0.001, 0.1] } }, sampler: { name: 'tpe', seed: 1 } },
}

/** Bodies that a schema cannot tell are good: they name what this server has. */
const GOOD: Readonly<Record<string, readonly unknown[]>> = {
  CampaignFile: [CAMPAIGN, { ...CAMPAIGN, sampler: { name: 'random', seed: 2 } }],
  ReviseBody: [{ expected: 1, reason: 'more', file: CAMPAIGN }],
  ProposeBody: [{ recipes: [{ lr: 0.01 }], dryRun: true }],
  NoteBody: [{ kind: 'insight', text: 'So it is.', evidence: [] }],
  KeyBody: [{ label: 'agent', scopes: ['read'], budgetMilli: 100 }],
}

/** Bodies for a schema of this name: good ones, allowed ones, such with one thing changed, and garbage. */
export function bodyFor(name: string | undefined, components: Components): fc.Arbitrary<unknown> {
  const garbage = fc.oneof(fc.json(), fc.string(), fc.uint8Array({ maxLength: 40 }), fc.constant(undefined))
  if (name === undefined || name === 'bytes') return garbage
  const allowed = jsonFor({ $ref: `#/components/schemas/${name}` }, components)
  const good = GOOD[name]
  const fair = good === undefined ? allowed : fc.oneof(fc.constantFrom(...good), allowed)
  return fc.oneof(
    { weight: 3, arbitrary: fair },
    { weight: 3, arbitrary: changed(fair) },
    { weight: 1, arbitrary: garbage },
  )
}

const changed = (values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.tuple(values, fc.nat(), fc.jsonValue({ maxDepth: 1 })).map(([value, which, other]) => {
    const parts = partsOf(value)
    const part = parts[which % Math.max(1, parts.length)]
    return part === undefined ? other : replaced(value, part, other)
  })

type Path = readonly string[]
const partsOf = (value: unknown, path: Path = []): Path[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, part]) => [[...path, name], ...partsOf(part, [...path, name])])
    : []

function replaced(value: unknown, [name, ...rest]: Path, other: unknown): unknown {
  if (name === undefined || typeof value !== 'object' || value === null) return other
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...value }
  copy[name] = replaced(copy[name], rest, other)
  return copy
}
