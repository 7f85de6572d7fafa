import { stringify } from 'yaml'
import { baselineMetric, type DatasetManifest, NO_DATA } from '#protocol/dataset.ts'
import type { KernelManifest, ParameterSchema } from '#protocol/kernel.ts'

interface Draft {
  readonly manifest: KernelManifest
  /** Undefined for a kernel that reads none. */
  readonly dataset: DatasetManifest | undefined
  readonly priceMilliPerGfuel: number
  readonly checkingShare: number
  /** Where its JSON Schema is served. */
  readonly schemaUrl: string
}

const RUNS = 16
const SEEDS = 3
const QUORUM = 2
// A quote has what cutting runs short costs at worst as well; budget.credits is a limit, not a price.
const HEADROOM = 1.25
// Some ten seconds on a laptop.
const FUEL = 24e9

/** A data set that a kernel can read: with its splits, and with baselines of its metric where there are some. */
export function fittingDataset(
  { slots, metric }: KernelManifest,
  datasets: readonly DatasetManifest[],
): DatasetManifest | undefined {
  return datasets
    .filter(({ splits }) => slots.every(slot => splits.some(({ name }) => name === slot.split)))
    .filter(dataset => {
      const measured = baselineMetric(dataset)
      return slots.length > 0 && (measured === undefined || measured === metric.name)
    })
    .toSorted(
      (a, b) =>
        a.splits.reduce((sum, { bytes }) => sum + bytes, 0) -
        b.splits.reduce((sum, { bytes }) => sum + bytes, 0),
    )[0]
}

/** A campaign file with comments for a kernel: one parameter is varied, the others wait as comments, with their ranges and defaults. */
export function draftCampaign({ manifest, dataset, ...draft }: Draft): string {
  const { name, version, title, metric, recipe } = manifest
  const parameters = Object.entries(recipe.properties)
  const varied =
    parameters.find(([each]) => each === 'lr') ?? parameters.find(([, schema]) => isRange(schema))
  const fuel = Math.min(FUEL, manifest.bounds.fuelMax)
  const units = RUNS * SEEDS * QUORUM
  const cost = ((units * fuel) / 1e9) * (draft.priceMilliPerGfuel / 1000) * (1 + draft.checkingShare)
  const data = dataset === undefined ? undefined : `${dataset.name}@${dataset.version}`
  return [
    `# yaml-language-server: $schema=${draft.schemaUrl}`,
    `# ${comment(title)}`,
    '# Check it: xeenet campaign validate FILE · compute its first runs here: xeenet campaign run-local FILE · start it: xeenet campaign submit FILE',
    `title: ${scalar(`Which ${varied?.[0] ?? 'recipe'}?`)}`,
    `# question: ${scalar(`argmin over ${varied?.[0] ?? 'the space'} of ${metric.name}`)}`,
    `kernel: ${name}@${version}`,
    data === undefined ? `# data: ${NO_DATA}  (this kernel reads none)` : `data: ${data}`,
    `metric: { name: ${scalar(metric.name)}, goal: ${metric.goal} }`,
    '',
    `# ${RUNS} experiments x ${SEEDS} seeds x ${QUORUM} results of ${fuel / 1e9} Gfuel, and a share for checks: what is not used comes back.`,
    `budget: { fuel_per_run: ${fuel}, runs: ${RUNS}, credits: ${Math.max(1, Math.ceil(HEADROOM * cost))} }`,
    '',
    '# What is the same in every run; what is left out has its default.',
    'recipe: {}',
    '',
    '# What is varied. Uncomment or narrow: log (a rate), float, int with step, choice; `when: "depth > 2"` makes one conditional.',
    'space:',
    ...parameters.flatMap(([each, schema]) => parameterLines(each, schema, each === varied?.[0])),
    '# constraints: ["width % heads == 0"]',
    '',
    '# grid and random try what is known in advance; sobol spreads; tpe, cmaes, gp, evolution learn from what has finished.',
    'sampler: { name: tpe, seed: 0 }',
    '# With stop.sprt several may share the budget: beside: [evolution, propose] adds a second sampler and what an agent proposes.',
    '',
    `# The same ${SEEDS} seeds for every experiment; a result counts when ${QUORUM} hosts of different owners agree.`,
    `replicate: { quorum: ${QUORUM}, seeds: ${SEEDS} }`,
    '',
    ...stopLines(manifest),
    '',
  ].join('\n')
}

function stopLines({ rungs }: KernelManifest): string[] {
  const test =
    '#   sprt: { effect: 0.01 }  # test the best on fresh seeds against the unchanged recipe; effect: the difference worth finding'
  const end = '#   at: plateau             # or promotion: nothing more is tried then'
  if (rungs === true)
    return [
      '# Without stop a learning sampler cuts runs short that fall behind (prune: asha).',
      ...['# stop:', test, '#   prune: none', end],
    ]
  return ['stop:', '  prune: none  # this kernel cannot cut a run short', test, end].map(line =>
    line.replace(/^# {3}/, '  # '),
  )
}

function isRange(schema: ParameterSchema): boolean {
  return schema.type === 'number' && schema.minimum > 0 && schema.maximum / schema.minimum >= 100
}

function parameterLines(name: string, schema: ParameterSchema, isVaried: boolean): string[] {
  const about = schema.description === undefined ? '' : `${comment(schema.description)}; `
  const line = `${isVaried ? '  ' : '  # '}${name}: ${dimension(schema, isVaried)}`
  return [`${line}  # ${about}default ${comment(String(schema.default))}${rangeText(schema)}`]
}

const rangeText = (schema: ParameterSchema): string =>
  schema.type === 'string' ? '' : `, ${schema.minimum} to ${schema.maximum}`

/** Around the default by a factor of ten where it is varied; else all that the kernel takes. */
function dimension(schema: ParameterSchema, isVaried: boolean): string {
  if (schema.type === 'string') return `{ choice: [${schema.enum.map(scalar).join(', ')}] }`
  const { minimum, maximum, multipleOf } = schema
  const near = isVaried && isRange(schema) && schema.default > 0
  const low = near ? Math.max(minimum, Number((schema.default / 10).toPrecision(6))) : minimum
  const high = near ? Math.min(maximum, Number((schema.default * 10).toPrecision(6))) : maximum
  if (schema.type === 'integer')
    return `{ int: [${low}, ${high}]${multipleOf === undefined ? '' : `, step: ${multipleOf}`} }`
  return `{ ${isRange(schema) ? 'log' : 'float'}: [${low}, ${high}] }`
}

/** A text as YAML flow: quoted where it must be. */
const scalar = (text: string): string => stringify(text, { collectionStyle: 'flow', lineWidth: 0 }).trim()

/** On one line, so that no part of it leaves the comment. */
const comment = (text: string): string => text.replaceAll(/\s+/g, ' ')
