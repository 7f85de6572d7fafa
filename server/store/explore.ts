import { z } from 'zod'
import { ExploreView } from '#protocol/explore.ts'
import type { Condition, GroupBy } from '#protocol/explore-words.ts'
import { type CampaignId, type ExperimentId, type Sha256, toWire, type WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { provisional } from './provisional.ts'
import { type Bindings, type Executor, execute, select, selectOne, Timestamp } from './rows.ts'

export interface ExploreScope {
  readonly kernel: Sha256
  readonly data: Sha256 | null
  readonly campaign: CampaignId | null
  readonly status: string | null
  readonly rung: number
  readonly conditions: readonly Condition[]
  readonly withheld: readonly ExperimentId[]
}

// Published and final, as exports have it.
const IN_SCOPE = `
  c.kernel_sha256 = :kernel and c.retracted_at is null and not ${provisional('c.work_unit_id')} and c.rung = :rung
  and (cast(:data as text) is null or c.dataset_sha256 = :data)
  and (cast(:campaign as text) is null or c.campaign_id = :campaign)
  and (cast(:status as text) is null or c.status = :status)
  and not c.experiment_id = any(:withheld)`

// Columns of the corpus by the name that a query gives them; every other name is a parameter of the recipe, and a binding.
const NUMBERS: Readonly<Record<string, string>> = {
  metric: 'c.metric_value',
  seed: 'c.seed',
  fuel: 'c.fuel_used',
  replicas: 'c.replicas',
}
const TEXTS: Readonly<Record<string, string>> = {
  status: 'c.status',
  campaign: 'c.campaign_id',
  data: `(select d.name || '@' || d.version from datasets d where d.sha256 = c.dataset_sha256)`,
}

/** A field as a number and as a text; `binding` carries the name of a parameter. */
function field(name: string, binding: string): { readonly number: string; readonly text: string } {
  const number = Object.hasOwn(NUMBERS, name) ? NUMBERS[name] : undefined
  if (number !== undefined) return { number, text: `cast(${number} as text)` }
  const own = Object.hasOwn(TEXTS, name) ? TEXTS[name] : undefined
  if (own !== undefined) return { number: 'cast(null as double precision)', text: own }
  const raw = `c.recipe->cast(:${binding} as text)`
  return {
    number: `case when jsonb_typeof(${raw}) = 'number' then cast(${raw} as double precision) end`,
    text: `c.recipe->>cast(:${binding} as text)`,
  }
}

const OPERATORS = { '=': '=', '!=': '<>', '<': '<', '<=': '<=', '>': '>', '>=': '>=' } as const

/** A number is compared as one where the field is one, and as text where it is not. */
function fitting(conditions: readonly Condition[]): { readonly sql: string; readonly bindings: Bindings } {
  const bindings: Record<string, string | number | null> = {}
  const clauses = conditions.map(({ name, op, value }, i) => {
    const asked = Number(value)
    bindings[`name${i}`] = name
    bindings[`text${i}`] = value
    bindings[`number${i}`] = Number.isFinite(asked) ? asked : null
    const { number, text } = field(name, `name${i}`)
    return `coalesce((${number}) ${OPERATORS[op]} cast(:number${i} as double precision),
      (${text}) ${OPERATORS[op]} :text${i} collate "C", false)`
  })
  return { sql: clauses.map(clause => ` and ${clause}`).join(''), bindings }
}

function scoped({ conditions, ...scope }: ExploreScope): { where: string; bindings: Bindings } {
  const { sql, bindings } = fitting(conditions)
  return { where: `${IN_SCOPE}${sql}`, bindings: { ...scope, ...bindings } }
}

/** What a reader waits for at most; then it is cut off and told to ask for less. */
export const limitTime = (trx: Trx, ms: number): Promise<number> =>
  execute(trx, `select set_config('statement_timeout', :ms, true)`, { ms: `${ms}ms` })

/** How many runs fit, counted to `limit`. */
export async function countRuns(on: Executor, scope: ExploreScope, limit: number): Promise<number> {
  const { where, bindings } = scoped(scope)
  const sql = `select count(*) as n from (select 1 from corpus c where ${where} limit :limit) as fitting`
  return (await selectOne(on, z.object({ n: z.int() }), sql, { ...bindings, limit })).n
}

const Group = z.object({
  key0: z.union([z.string(), z.number()]).nullable(),
  key1: z.union([z.string(), z.number()]).nullable(),
  n: z.int(),
  ok: z.int(),
  median: z.number().nullable(),
  mean: z.number().nullable(),
  sd: z.number().nullable(),
  min: z.number().nullable(),
  max: z.number().nullable(),
})
type Groups = NonNullable<ExploreView['groups']>

/** Groups of the newest `look` runs that fit, in the order of their keys. */
export async function groupRuns(
  on: Executor,
  scope: ExploreScope,
  { groups, look, limit }: { groups: readonly GroupBy[]; look: number; limit: number },
): Promise<Groups> {
  const { where, bindings } = scoped(scope)
  const [first, second] = groups
  const names = { group0: first?.name ?? '', group1: second?.name ?? '' }
  const rows = await select(on, Group, grouping(where, first, second), { ...bindings, ...names, look, limit })
  return rows.map(({ key0, key1, ...sums }) => ({
    key: [key0, key1].slice(0, groups.length),
    ...sums,
  }))
}

const NO_FIELD = { number: 'cast(null as double precision)', text: 'cast(null as text)' }

function grouping(where: string, first: GroupBy | undefined, second: GroupBy | undefined): string {
  const fields = [first, second].map((group, i) =>
    group === undefined ? NO_FIELD : field(group.name, `group${i}`),
  )
  const [a = NO_FIELD, b = NO_FIELD] = fields
  return `
  with looked as (
    select c.metric_value as metric, ${a.number} as n0, ${a.text} as t0, ${b.number} as n1, ${b.text} as t1
    from corpus c where ${where} order by c.published_at desc limit :look),
  ends as (
    select min(n0) as low0, max(n0) as high0, min(n1) as low1, max(n1) as high1 from looked),
  keyed as (
    select metric, ${keyOf(first, 0)} as key0, ${keyOf(second, 1)} as key1 from looked cross join ends)
  select key0, key1, count(*) as n, count(metric) as ok,
    percentile_cont(0.5) within group (order by metric) as median, avg(metric) as mean,
    stddev_samp(metric) as sd, min(metric) as min, max(metric) as max
  from keyed group by key0, key1
  order by case when jsonb_typeof(key0) = 'number' then cast(key0 as double precision) end, key0,
    case when jsonb_typeof(key1) = 'number' then cast(key1 as double precision) end, key1 limit :limit`
}

/** A value as it is, or the middle of its bin of those between the smallest and the largest. */
function keyOf(group: GroupBy | undefined, i: 0 | 1): string {
  if (group === undefined) return `cast(null as jsonb)`
  const [n, t, low, high] = [`n${i}`, `t${i}`, `low${i}`, `high${i}`]
  const asIs = `coalesce(to_jsonb(${n}), to_jsonb(${t}))`
  if (group.scale === null) return asIs
  const { bins } = group
  const at = (x: string): string => (group.scale === 'log' ? `ln(${x})` : x)
  const possible = group.scale === 'log' ? `${low} > 0 and ${high} > ${low}` : `${high} > ${low}`
  const width = `((${at(high)} - ${at(low)}) / ${bins})`
  const bin = `least(${bins - 1}, floor((${at(n)} - ${at(low)}) / ${width}))`
  const middle = `${at(low)} + (${bin} + 0.5) * ${width}`
  return `case when ${possible} and ${n} is not null then to_jsonb(${group.scale === 'log' ? `exp(${middle})` : middle})
    else ${asIs} end`
}

const Run = ExploreView.shape.runs.unwrap().element.extend({
  publishedAt: Timestamp.transform(toWire),
})

/** The newest runs that fit, from after this one on. */
export function sliceRuns(
  on: Executor,
  scope: ExploreScope,
  page: { after: WorkUnitId | null; limit: number },
): Promise<z.infer<typeof Run>[]> {
  const { where, bindings } = scoped(scope)
  const sql = `
  select c.work_unit_id as "workUnitId", c.experiment_id as "experimentId", c.campaign_id as "campaignId",
    c.result_id as "resultId", c.recipe, c.seed, c.status, c.metric_value as metric, c.fuel_used as "fuelUsed",
    d.name || '@' || d.version as data, c.published_at as "publishedAt"
  from corpus c join datasets d on d.sha256 = c.dataset_sha256
  where ${where} and (cast(:after as text) is null or (c.published_at, c.work_unit_id) < (
      select published_at, work_unit_id from corpus where work_unit_id = :after order by revision desc limit 1))
  order by c.published_at desc, c.work_unit_id desc limit :limit`
  return select(on, Run, sql, { ...bindings, ...page })
}
