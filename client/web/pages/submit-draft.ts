import type { KernelManifest, ParameterSchema } from '#protocol/kernel.ts'

/** What a person fills in; the file follows from it. Numbers are kept as they are typed. */
export interface Form {
  readonly kernel: string
  readonly data: string
  readonly title: string
  readonly question: string
  readonly gfuel: string // of a run, 10⁹
  readonly runs: string
  readonly credits: string
  readonly seeds: string
  readonly quorum: string
  readonly sampler: string
  readonly parameters: Readonly<Record<string, Chosen>>
}

/** Of one parameter: left at its default, set to a value, or varied. */
export interface Chosen {
  readonly how: 'default' | 'fixed' | 'varied'
  readonly value: string
  readonly low: string
  readonly high: string
  readonly choices: string
}

export const SAMPLERS = ['tpe', 'grid', 'random', 'sobol', 'cmaes', 'gp', 'evolution'] as const

/** A form to begin with: the learning rate varied around its default by ten, or whatever spans a factor of a hundred. */
export function formFor({ name, version, recipe, bounds }: KernelManifest, data: string): Form {
  const entries = Object.entries(recipe.properties)
  const varied = entries.find(([each]) => each === 'lr') ?? entries.find(([, schema]) => isRate(schema))
  const gfuel = Math.min(3, bounds.fuelMax / 1e9)
  return {
    ...{ kernel: `${name}@${version}`, data, title: `Which ${varied?.[0] ?? 'recipe'}?`, question: '' },
    ...{ gfuel: String(gfuel), runs: '16', credits: '10', seeds: '1', quorum: '2', sampler: 'tpe' },
    parameters: Object.fromEntries(
      entries.map(([each, schema]) => [each, chosenFor(schema, each === varied?.[0])]),
    ),
  }
}

const isRate = (schema: ParameterSchema): boolean =>
  schema.type === 'number' && schema.minimum > 0 && schema.maximum / schema.minimum >= 100

function chosenFor(schema: ParameterSchema, isVaried: boolean): Chosen {
  const how = isVaried ? 'varied' : 'default'
  const value = String(schema.default)
  if (schema.type === 'string') return { how, value, low: '', high: '', choices: schema.enum.join(', ') }
  const near = isRate(schema)
  const low = near ? Math.max(schema.minimum, Number((schema.default / 10).toPrecision(6))) : schema.minimum
  const high = near ? Math.min(schema.maximum, Number((schema.default * 10).toPrecision(6))) : schema.maximum
  return { how, value, low: String(low), high: String(high), choices: '' }
}

/** The campaign file that a form means. What people typed is quoted as JSON, which is YAML. */
export function fileOf(form: Form, manifest: KernelManifest): string {
  const rows = Object.entries(manifest.recipe.properties).flatMap(([name, schema]) => {
    const chosen = form.parameters[name]
    return chosen === undefined ? [] : [{ name, schema, chosen }]
  })
  const fixed = rows.filter(({ chosen }) => chosen.how === 'fixed')
  const varied = rows.filter(({ chosen }) => chosen.how === 'varied')
  const fuel = Math.round(Number(form.gfuel) * 1e9)
  return [
    `title: ${JSON.stringify(form.title)}`,
    ...(form.question === '' ? [] : [`question: ${JSON.stringify(form.question)}`]),
    `kernel: ${form.kernel}`,
    ...(form.data === '' ? [] : [`data: ${form.data}`]),
    `metric: { name: ${JSON.stringify(manifest.metric.name)}, goal: ${manifest.metric.goal} }`,
    '',
    '# fuel_per_run counts executed instructions; credits is the most that may be reserved',
    `budget: { fuel_per_run: ${Number.isFinite(fuel) ? fuel : JSON.stringify(form.gfuel)}, runs: ${typed(form.runs)}, credits: ${typed(form.credits)} }`,
    '',
    '# the same in every run; what is left out has its default',
    ...(fixed.length === 0
      ? ['recipe: {}']
      : ['recipe:', ...fixed.map(({ name, chosen }) => `  ${name}: ${typed(chosen.value)}`)]),
    '',
    '# what is varied',
    ...(varied.length === 0 ? ['space: {}'] : ['space:', ...varied.map(spaceLine)]),
    '',
    `sampler: { name: ${form.sampler}, seed: 0 }`,
    `replicate: { quorum: ${typed(form.quorum)}, seeds: ${typed(form.seeds)} }`,
    '',
  ].join('\n')
}

function spaceLine({
  name,
  schema,
  chosen,
}: {
  name: string
  schema: ParameterSchema
  chosen: Chosen
}): string {
  if (schema.type === 'string') {
    const choices = chosen.choices.split(',').map(choice => JSON.stringify(choice.trim()))
    return `  ${name}: { choice: [${choices.join(', ')}] }`
  }
  const range = `[${typed(chosen.low)}, ${typed(chosen.high)}]`
  if (schema.type === 'integer')
    return `  ${name}: { int: ${range}${schema.multipleOf === undefined ? '' : `, step: ${schema.multipleOf}`} }`
  return `  ${name}: { ${isRate(schema) ? 'log' : 'float'}: ${range} }`
}

/** A number as a number, anything else as a text, so that a typing mistake is a mistake on its line and nothing else. */
const typed = (text: string): string =>
  text.trim() !== '' && Number.isFinite(Number(text)) ? String(Number(text)) : JSON.stringify(text)
