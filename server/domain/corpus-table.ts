import { canonicalJson } from '#protocol/canonical.ts'
import type { CorpusRow } from '#protocol/corpus.ts'
import type { ExportColumn } from '#protocol/exports.ts'
import type { KernelManifest } from '#protocol/kernel.ts'

/** What a column of a flat table holds: JSON as its text. */
type Cell = string | number | null

export interface Column extends ExportColumn {
  cell(row: CorpusRow): Cell
}

type Name = Exclude<keyof CorpusRow, 'recipe' | 'limit' | 'counters' | 'curve'>
type Said = readonly [type: ExportColumn['type'], meaning: string, more?: { unit?: string; nullable?: true }]

const NULLABLE = { nullable: true } as const

const PLAIN: Readonly<Record<Name, Said>> = {
  workUnitId: ['string', 'The run: stable, public, unique; GET /api/v1/corpus/{id} shows it'],
  campaignId: ['string', 'The campaign that asked for it'],
  experimentId: ['string', 'The experiment: one recipe of a campaign; its runs differ in their seeds'],
  resultId: ['string', 'The canonical result; xeenet repro computes it again'],
  answeredFrom: [
    'string',
    'The work unit that computed it for an earlier campaign; none: this one',
    NULLABLE,
  ],
  runKey: ['string', 'SHA-256 that names the computation: equal keys have equal digests'],
  kernel: ['string', 'The program that trained, name@version'],
  moduleSha256: ['string', 'SHA-256 of its WebAssembly module'],
  engine: ['string', 'Engine class; metrics of different ones are not comparable bit by bit'],
  exactness: [
    'string',
    'exact, or of a class with a tolerance: rerun by the kernel or an operator, or not_rerun exactly',
  ],
  data: ['string', 'The data set, name@version'],
  dataSha256: ['string', 'SHA-256 of its manifest'],
  seed: ['integer', 'Seed of all randomness of the run, 48 bits'],
  rung: [
    'integer',
    '3: a whole run; 0, 1, 2: only its first 27th, ninth or third, not comparable with whole runs',
  ],
  status: ['string', 'ok, diverged, trapped or infeasible; only ok has a metric'],
  metricName: ['string', 'What metricValue is', NULLABLE],
  metricValue: ['number', 'The metric at the end of the run', { unit: 'that of metricName', nullable: true }],
  fuelUsed: ['integer', 'Executed WebAssembly instructions', { unit: 'instructions' }],
  digest: ['string', 'SHA-256 of the whole report, equal on every machine'],
  artifactSha256: ['string', 'SHA-256 of the trained weights', NULLABLE],
  replicas: ['integer', 'How many equal results of different owners stand behind it', { unit: 'results' }],
  publishedAt: ['instant', 'When it became public'],
}

const JSONS = {
  recipe: 'The configuration, canonical: defaults filled in, floats at six digits',
  limit: 'What bounds the run: {"fuel": instructions} or {"updates": parameter updates}',
  counters: 'What the kernel counted: updates, tokens, parameters, FLOPs',
  curve: 'Points of {update, fuel: fraction of the limit, train, val}; losses in the unit of the metric',
} as const satisfies Partial<Record<keyof CorpusRow, string>>

const isPlain = (name: string): name is Name => Object.hasOwn(PLAIN, name)

/** The columns of every export, in order. */
export const CORPUS_COLUMNS: readonly Column[] = [
  ...Object.keys(PLAIN).filter(isPlain).map(plainColumn),
  ...(['recipe', 'limit', 'counters', 'curve'] as const).map(
    (name): Column => ({
      ...{ name, type: 'json', unit: null, nullable: false, flat: false, meaning: JSONS[name] },
      cell: row => (name === 'recipe' ? canonicalJson(row[name]) : JSON.stringify(row[name])),
    }),
  ),
]

function plainColumn(name: Name): Column {
  const [type, meaning, { unit = null, nullable = false } = {}] = PLAIN[name]
  return { name, type, unit, nullable, meaning, flat: false, cell: row => row[name] }
}

const TYPES = { integer: 'integer', number: 'number', string: 'string' } as const

/** A column for each parameter of a kernel, as its manifest describes it. */
export const recipeColumns = ({ recipe }: Pick<KernelManifest, 'recipe'>): readonly Column[] =>
  Object.entries(recipe.properties).map(([name, schema]) => ({
    ...{ name: `recipe.${name}`, type: TYPES[schema.type], unit: null, nullable: true, flat: true },
    meaning: schema.description ?? `The parameter ${name} of the recipe`,
    cell: row => {
      const value = row.recipe[name]
      return typeof value === 'boolean' ? String(value) : (value ?? null)
    },
  }))

/** The same without what only this server needs. */
export const dictionaryOf = (columns: readonly Column[]): ExportColumn[] =>
  columns.map(({ cell: _, ...column }) => column)

export const csvHeader = (columns: readonly Column[]): string =>
  `${columns.map(({ name }) => name).join(',')}\n`

/** A row as RFC 4180 has it, but with a bare line feed at its end. */
export const csvLine = (columns: readonly Column[], row: CorpusRow): string =>
  `${columns.map(column => csvCell(column.cell(row))).join(',')}\n`

// Spreadsheets run a text that begins like this as a formula, and the names of metrics and choices are strangers' texts.
const FORMULA = /^[=+\-@\t\r]/

function csvCell(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const text = FORMULA.test(value) ? `'${value}` : value
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export const CSV_NOTE =
  'CSV: a text that begins with = + - @ or a tab has an apostrophe in front, so that no spreadsheet runs it; numbers are untouched.'

export const ndjsonLine = (row: CorpusRow): string => `${JSON.stringify(row)}\n`
