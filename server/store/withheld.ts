import { z } from 'zod'
import { type Goal, shownRows } from '#domain/records.ts'
import type { TrustRules } from '#domain/trust.ts'
import { type CampaignId, ExperimentId } from '#protocol/units.ts'
import { goalsOf } from './corpus-rows.ts'
import { VERIFIED } from './exactness.ts'
import { type Executor, select } from './rows.ts'

/** A campaign as far as its ranking goes. */
interface Ranked {
  readonly id: CampaignId
  readonly file: { readonly metric: { readonly goal: Goal } }
}

// The leaders of a campaign with a verifier are verified: a few rows more than are leading say all.
const RANKS_FIRST = 64
const RANKS_GROWTH = 8

/** Experiments that would be among the first and are shown nowhere, because the verifier has not seen every run behind them. */
export async function withheldOf(
  on: Executor,
  { id, file }: Ranked,
  { leaderRows }: Pick<TrustRules, 'leaderRows'>,
): Promise<ExperimentId[]> {
  if (leaderRows === 0) return []
  for (let limit = RANKS_FIRST; ; limit *= RANKS_GROWTH) {
    const sign = file.metric.goal === 'minimize' ? 1 : -1
    const ranks = await select(on, RankRow, FIRST_RANKS, { campaignId: id, sign, limit })
    const shown = new Set(shownRows(ranks, leaderRows))
    // Behind as many as are leading nothing is withheld.
    if (ranks.length === limit && shown.size < leaderRows) continue
    return ranks.flatMap(rank => (shown.has(rank) ? [] : [rank.experimentId]))
  }
}

/** The same of several campaigns at once. */
export async function withheldIn(
  on: Executor,
  campaigns: readonly { readonly id: CampaignId; readonly goal: Goal }[],
  rules: Pick<TrustRules, 'leaderRows'>,
): Promise<ExperimentId[]> {
  const withheld: ExperimentId[] = []
  for (const { id, goal } of campaigns)
    withheld.push(...(await withheldOf(on, { id, file: { metric: { goal } } }, rules)))
  return withheld
}

/** The same of campaigns by their ids. */
export const withheldAmong = async (
  on: Executor,
  ids: readonly CampaignId[],
  rules: Pick<TrustRules, 'leaderRows'>,
): Promise<ExperimentId[]> => withheldIn(on, await goalsOf(on, ids), rules)

const RankRow = z.object({ experimentId: ExperimentId, unverified: z.int() })

// The order of the leaderboard (store/views.ts) as far as runs have a metric: without one nothing is withheld, and it ranks last.
// Which runs a verifier has seen is looked up for the first rows only.
const FIRST_RANKS = `
  with ranked as (
    select e.id, row_number() over (order by p.diverged > 0, p.mean * :sign, e.ordinal) as place
    from (
      select experiment_id, avg(metric_value) as mean, count(*) filter (where status <> 'ok') as diverged
      from corpus where campaign_id = :campaignId and retracted_at is null and rung = 3
      group by experiment_id having count(metric_value) > 0) as p
    join experiments e on e.id = p.experiment_id
    order by place limit :limit)
  select k.id as "experimentId", (
    select count(*) from work_units w join corpus c on c.work_unit_id = w.id
    where w.experiment_id = k.id and c.retracted_at is null and c.rung = 3
      and c.metric_value is not null and not ${VERIFIED}) as unverified
  from ranked k order by k.place`
