import type { ExploreView } from '#protocol/explore.ts'
import type { Twin } from '../charts/figure.tsx'
import { query } from '../router.ts'

export const SHOWS = ['median', 'mean', 'n', 'min', 'max'] as const
type Show = (typeof SHOWS)[number]
export type Groups = NonNullable<ExploreView['groups']>
export type Runs = NonNullable<ExploreView['runs']>

/** Which sum of a group the address asks for. */
export const showOf = (): Show => SHOWS.find(name => name === query.value.get('show')) ?? 'median'

/** The fields that the address groups by, without their bins. */
export const groupFields = (): string[] =>
  (query.value.get('group') ?? '')
    .split(/[\s,]+/)
    .filter(word => word !== '')
    .map(word => word.split(':')[0] ?? '')

/** Groups as a table. */
export function groupsTwin(groups: Groups): Twin {
  const fields = groupFields()
  return {
    columns: [...fields, 'n', 'ok', 'median', 'mean', 'sd', 'min', 'max'],
    rows: groups.map(({ key, n, ok, median, mean, sd, min, max }) => [
      ...fields.map((_, i) => key[i] ?? null),
      ...[n, ok, median, mean, sd, min, max],
    ]),
  }
}

/** The parameters that runs have. */
export const parametersOf = (runs: Runs): string[] =>
  [...new Set(runs.flatMap(run => Object.keys(run.recipe)))].sort()

const cellOf = (value: unknown): string | number | null =>
  typeof value === 'number' ? value : value === null || value === undefined ? null : String(value)

/** Runs as a table. */
export function runsTwin(runs: Runs): Twin {
  const parameters = parametersOf(runs)
  return {
    columns: [
      'workUnitId',
      'experimentId',
      'campaignId',
      'status',
      'metric',
      'seed',
      'fuelUsed',
      'data',
      'publishedAt',
      ...parameters,
    ],
    rows: runs.map(run => [
      ...[run.workUnitId, run.experimentId, run.campaignId, run.status, run.metric, run.seed, run.fuelUsed],
      ...[run.data, run.publishedAt, ...parameters.map(name => cellOf(run.recipe[name]))],
    ]),
  }
}
