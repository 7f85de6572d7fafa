import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { CampaignFile } from '#protocol/campaign.ts'
import { LAST_RUNG, type Limit, type Recipe, type Rung, rungEnd } from '#protocol/job.ts'
import { type RunReport, RunStatus } from '#protocol/report.ts'
import { Sha256, Versioned } from '#protocol/units.ts'

/** At the end of a rung: the metric, to six decimals, and the fuel spent until then; null where the run ended before. */
const RungEnd = z.strictObject({ loss: z.number(), fuel: z.int() }).nullable()

/** One run of the table: what was varied, and what it had reached at the end of each rung. */
const Row = z.strictObject({
  values: z.record(z.string(), z.union([z.number(), z.string()])),
  seed: z.int(),
  status: RunStatus,
  rungs: z.tuple([RungEnd, RungEnd, RungEnd, RungEnd]),
  updates: z.int(),
  digest: Sha256,
})
export type Row = z.infer<typeof Row>

/** What the rows were computed with, and the SHA-256 of the file that has them. */
const Facts = z.strictObject({
  kernel: z.strictObject({ name: Versioned, moduleSha256: Sha256 }),
  data: z.strictObject({ name: Versioned, sha256: Sha256 }),
  campaignSha256: Sha256,
  runs: z.int(),
  rowsSha256: Sha256,
})
type Facts = z.infer<typeof Facts>

export interface Table {
  readonly file: CampaignFile
  readonly facts: Facts
  readonly rows: readonly Row[]
}

export const HERE = import.meta.dirname
export const CAMPAIGN = join(HERE, 'campaign.yaml')
const factsIn = (dir: string): string => join(dir, 'table.json')
const rowsIn = (dir: string): string => join(dir, 'table.csv')
const RUNGS = [0, 1, 2, LAST_RUNG] as const
const RUN_COLUMNS = [
  ...['seed', 'status'],
  ...RUNGS.flatMap(rung => [`loss${rung}`, `fuel${rung}`]),
  ...['updates', 'digest'],
]

/** The stored table. @throws when a file is not the one that it was made with */
export async function readTable(dir = HERE): Promise<Table> {
  const facts = Facts.parse(JSON.parse(await readFile(factsIn(dir), 'utf8')))
  const [campaign, text] = await Promise.all([readFile(CAMPAIGN, 'utf8'), readFile(rowsIn(dir), 'utf8')])
  if (sha256Of(campaign) !== facts.campaignSha256)
    throw new Error(`${CAMPAIGN} is not what the table was made of`)
  if (sha256Of(text) !== facts.rowsSha256)
    throw new Error(`${rowsIn(dir)} is not the table: its SHA-256 differs`)
  const rows = parseRows(text)
  if (rows.length !== facts.runs) throw new Error(`${rows.length} rows, ${facts.runs} were written`)
  return { file: CampaignFile.parse(parse(campaign)), facts, rows }
}

/** Writes rows in the order of their values and seeds, so that the same runs make the same file. */
export async function writeTable(
  dir: string,
  source: Pick<Facts, 'kernel' | 'data'> & { readonly campaign: string },
  rows: readonly Row[],
): Promise<void> {
  const names = Object.keys(rows[0]?.values ?? {}).sort()
  const text = [
    [...names, ...RUN_COLUMNS].join(','),
    ...rows.toSorted((a, b) => byValues(names, a, b)).map(row => lineOf(names, row)),
  ].join('\n')
  const { kernel, data, campaign } = source
  const facts: Facts = {
    ...{ kernel, data, campaignSha256: sha256Of(campaign) },
    ...{ runs: rows.length, rowsSha256: sha256Of(`${text}\n`) },
  }
  await writeFile(rowsIn(dir), `${text}\n`)
  await writeFile(factsIn(dir), `${JSON.stringify(facts, null, 2)}\n`)
}

/** A published run. */
interface Run {
  readonly recipe: Recipe
  readonly seed: number
  readonly limit: Limit
  readonly report: RunReport
  readonly digest: Sha256
}

/** A run as a row; `names` are those of the space. */
export function rowOf({ recipe, seed, limit, report, digest }: Run, names: readonly string[]): Row {
  const { status, curve, counters } = report
  const { updates = 0, updatesPlanned = 0 } = counters
  const fuelMax = 'fuel' in limit ? limit.fuel : 0
  const at = (rung: Rung): Row['rungs'][number] => {
    const point = curve.find(({ update, val }) => val !== null && update === rungEnd(updatesPlanned, rung))
    if (point === undefined || point.val === null) return null
    return { loss: Math.round(point.val * 1e6) / 1e6, fuel: Math.round(point.fuel * fuelMax) }
  }
  return {
    values: Object.fromEntries(names.map(name => [name, cellValue(recipe[name])])),
    ...{ seed, status, rungs: [at(0), at(1), at(2), at(LAST_RUNG)], updates, digest },
  }
}

function byValues(names: readonly string[], a: Row, b: Row): number {
  for (const name of names) {
    const [x = 0, y = 0] = [a.values[name], b.values[name]]
    if (x !== y) return x < y ? -1 : 1
  }
  return a.seed - b.seed
}

const lineOf = (names: readonly string[], row: Row): string =>
  [
    ...names.map(name => row.values[name]),
    ...[row.seed, row.status, ...row.rungs.flatMap(end => [end?.loss ?? '', end?.fuel ?? ''])],
    ...[row.updates, row.digest],
  ].join(',')

function parseRows(text: string): Row[] {
  const [header = '', ...lines] = text.trimEnd().split('\n')
  const columns = header.split(',')
  const names = columns.slice(0, columns.length - RUN_COLUMNS.length)
  return lines.map(line => {
    const cells = line.split(',')
    const cell = (column: string): string => cells[columns.indexOf(column)] ?? ''
    const endOf = (rung: Rung) =>
      cell(`loss${rung}`) === ''
        ? null
        : { loss: Number(cell(`loss${rung}`)), fuel: Number(cell(`fuel${rung}`)) }
    return Row.parse({
      values: Object.fromEntries(names.map(name => [name, cellValue(cell(name))])),
      ...{ seed: Number(cell('seed')), status: cell('status'), rungs: RUNGS.map(endOf) },
      ...{ updates: Number(cell('updates')), digest: cell('digest') },
    })
  })
}

const sha256Of = (text: string): Sha256 => Sha256.parse(createHash('sha256').update(text).digest('hex'))

/** A number where it reads as one: no choice of the space is a text that does. */
const cellValue = (value: unknown): string | number =>
  Number.isNaN(Number(value)) ? String(value) : Number(value)
