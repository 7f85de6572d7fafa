import type { HostId } from '#protocol/units.ts'
import { readCorpusPage } from '#store/corpus-rows.ts'
import { type Lifecycle, lie, report, rows, take } from './lifecycle.ts'

export const PAY = 10 // milli-credits of one run at full fuel
export const STRANGER = {}
export const PROVEN = { streak: 10 }
export const VERIFIER = { trusted: true }

/** Leases a result and reports it honestly, or the lie. */
export async function compute(life: Lifecycle, host: HostId, value?: number): Promise<void> {
  await report(life, host, await take(life, host), value === undefined ? undefined : lie(value))
}

export const one = async (life: Lifecycle, sql: string) => (await rows(life, sql))[0]

export const streakOf = async (life: Lifecycle, host: HostId): Promise<number> =>
  (await one(life, `select coalesce((select count from streaks where host_id = '${host}'), 0) as n`)).n

export const hostRow = (life: Lifecycle, host: HostId) =>
  one(life, `select state, self_test, daily_quota, recent_checks from hosts where id = '${host}'`)

export const campaignState = (life: Lifecycle) =>
  one(life, `select state, settled_at is not null as settled from campaigns`)

export const corpus = (life: Lifecycle) =>
  rows(
    life,
    `select metric_value as value, revision, exists (select from provisional_results p where p.work_unit_id = corpus.work_unit_id) as provisional, retracted_at is not null as retracted
     from corpus order by work_unit_id, revision`,
  )

/** The metrics that the first campaign exports. */
export async function exported(life: Lifecycle): Promise<(number | null)[]> {
  const { id } = await one(life, `select id from campaigns order by id limit 1`)
  const scope = { campaignId: id, from: null, until: null, withheld: [] }
  const page = await readCorpusPage(life.knex, { ...scope, after: '', limit: 10 })
  return page.map(row => row.metricValue)
}

/** Why each work unit waits for the verifier. */
export const demands = async (life: Lifecycle) =>
  (await rows(life, `select demand from work_units order by id`)).map((row: { demand: string }) => row.demand)
