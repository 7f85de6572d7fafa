import type { Recipe } from '#protocol/job.ts'
import type { Dimension } from '#protocol/space.ts'
import { type Condition, parseCondition, plainValues, type Value, type Values } from './expression.ts'
import { type Parameter, parameterOf } from './parameter.ts'

/** A point that keeps every constraint: its values, and the same as coordinates (NaN: inactive), canonical both. */
export interface Point {
  readonly ok: true
  readonly values: Values
  readonly coordinates: Float64Array
}

/** What is no point, and the constraint that it breaks. */
export interface Broken {
  readonly ok: false
  readonly reason: string
}

export interface SearchSpace {
  readonly ok: true
  /** Parents before the parameters whose `when` names them; otherwise by name. */
  readonly parameters: readonly Parameter[]
  /** Combinations before conditions and constraints; Infinity with a continuum. */
  readonly size: number
  /** No conditions and no constraints of the campaign. */
  readonly isPlain: boolean
  /** The point of raw coordinates, which are rounded to canonical values. */
  settle(raw: Float64Array): Point | Broken
  /** Coordinates of any recipe: clamped to the space, NaN where a parameter is inactive or its value foreign. */
  encode(recipe: Recipe): Float64Array
}

export type SpaceReply = SearchSpace | { readonly ok: false; readonly detail: string }

export interface SpaceSource {
  readonly space: Readonly<Record<string, Dimension>>
  readonly constraints?: readonly string[] | undefined
  /** What is the same in every run; conditions may name it. */
  readonly recipe?: Recipe
  /** Why the kernel refuses values, by its rules between parameters; undefined: it takes them. */
  readonly refuses?: (values: Values) => string | undefined
}

/** Compiles a space; the detail of a refusal names the field and the position in its text. */
export function compileSpace({
  space,
  constraints = [],
  recipe = {},
  refuses = () => undefined,
}: SpaceSource): SpaceReply {
  const kinds = new Map([...kindsOfRecipe(recipe), ...kindsOfSpace(space)])
  const rules: Condition[] = []
  for (const [i, text] of constraints.entries()) {
    const rule = parseCondition(text, kinds)
    if (!rule.ok) return refusal(`constraints.${i}`, text, rule)
    rules.push(rule)
  }
  const conditions = new Map<string, Condition>()
  for (const [name, { when }] of Object.entries(space)) {
    if (when === undefined) continue
    const condition = parseCondition(when, kinds)
    if (!condition.ok) return refusal(`space.${name}.when`, when, condition)
    conditions.set(name, condition)
  }
  const order = parentsFirst(Object.keys(space).sort(), conditions)
  if (order === undefined)
    return { ok: false, detail: 'space: the when of some dimensions depend on each other' }
  const dimensions = order.flatMap(name => {
    const dimension = space[name]
    return dimension === undefined
      ? []
      : [{ parameter: parameterOf(name, dimension), when: conditions.get(name) }]
  })
  return spaceOf({ dimensions, rules, fixed: plainValues(recipe), refuses })
}

type Kinds = Iterable<readonly [string, 'number' | 'text']>

const kindsOfRecipe = (recipe: Recipe): Kinds =>
  Object.entries(plainValues(recipe)).map(([name, value]) => [
    name,
    typeof value === 'number' ? 'number' : 'text',
  ])

// A choice of numbers and texts is text: it can be compared for equality with its texts only.
const kindsOfSpace = (space: SpaceSource['space']): Kinds =>
  Object.entries(space).map(([name, dimension]) => {
    const isText = 'choice' in dimension && dimension.choice.some(value => typeof value === 'string')
    return [name, isText ? 'text' : 'number']
  })

function refusal(
  field: string,
  text: string,
  { position, reason }: { readonly position: number; readonly reason: string },
): { readonly ok: false; readonly detail: string } {
  return { ok: false, detail: `${field}: at character ${position + 1} of "${text.slice(0, 100)}": ${reason}` }
}

/** Names in an order in which each comes after those that its condition names; undefined when they go in circles. */
function parentsFirst(
  names: readonly string[],
  conditions: ReadonlyMap<string, Condition>,
): string[] | undefined {
  const placed = new Set<string>()
  const isReady = (name: string): boolean =>
    [...(conditions.get(name)?.names ?? [])].every(parent => placed.has(parent) || !names.includes(parent))
  while (placed.size < names.length) {
    const next = names.find(name => !placed.has(name) && isReady(name))
    if (next === undefined) return undefined
    placed.add(next)
  }
  return [...placed]
}

interface Compiled {
  readonly dimensions: readonly { readonly parameter: Parameter; readonly when: Condition | undefined }[]
  readonly rules: readonly Condition[]
  readonly fixed: Values
  readonly refuses: (values: Values) => string | undefined
}

function spaceOf({ dimensions, rules, fixed, refuses }: Compiled): SearchSpace {
  const parameters = dimensions.map(({ parameter }) => parameter)
  const hasConditions = dimensions.some(({ when }) => when !== undefined)
  return {
    ok: true,
    parameters,
    size: parameters.reduce((product, { size }) => product * size, 1),
    isPlain: rules.length === 0 && !hasConditions,
    settle: raw => {
      const all: Record<string, Value> = { ...fixed }
      const values: Record<string, Value> = {}
      const coordinates = new Float64Array(raw.length).fill(Number.NaN)
      dimensions.forEach(({ parameter, when }, i) => {
        const coordinate = raw[i] ?? Number.NaN
        if (Number.isNaN(coordinate) || !isActive(when, all)) return
        const value = parameter.decode(coordinate)
        coordinates[i] = parameter.encode(value)
        all[parameter.name] = value
        values[parameter.name] = value
      })
      const broken = rules.findIndex(rule => applies(rule, all) && !rule.holds(all))
      if (broken >= 0) return { ok: false, reason: `constraints.${broken} does not hold` }
      const refusal = refuses(values)
      if (refusal !== undefined) return { ok: false, reason: `the kernel refuses it: ${refusal}` }
      return { ok: true, values, coordinates }
    },
    encode: recipe => {
      const coordinates = new Float64Array(dimensions.length).fill(Number.NaN)
      const seen: Record<string, Value> = hasConditions ? { ...fixed } : {}
      for (let i = 0; i < dimensions.length; i++) {
        const dimension = dimensions[i]
        if (dimension === undefined) continue
        const { parameter, when } = dimension
        const value = recipe[parameter.name]
        if (value === undefined || typeof value === 'boolean') continue
        if (!isActive(when, seen)) continue
        coordinates[i] = parameter.encode(value)
        if (hasConditions) seen[parameter.name] = value
      }
      return coordinates
    },
  }
}

/** A condition applies where all that it names is active. */
function applies(condition: Condition, values: Values): boolean {
  for (const name of condition.names) if (!Object.hasOwn(values, name)) return false
  return true
}

const isActive = (when: Condition | undefined, values: Values): boolean =>
  when === undefined || (applies(when, values) && when.holds(values))
