import { type Goal, shownRows } from '#domain/records.ts'
import type { TrustRules } from '#domain/trust.ts'
import type { CampaignId, ExperimentId } from '#protocol/units.ts'
import type { Executor } from './rows.ts'
import { readRanks } from './views.ts'

/** A campaign as far as its ranking goes. */
interface Ranked {
  readonly id: CampaignId
  readonly file: { readonly metric: { readonly goal: Goal } }
}

/** Experiments that would be among the first and are shown nowhere, because the verifier has not seen every run behind them. */
export async function withheldOf(
  on: Executor,
  { id, file }: Ranked,
  { leaderRows }: Pick<TrustRules, 'leaderRows'>,
): Promise<ExperimentId[]> {
  const ranks = await readRanks(on, { campaignId: id, goal: file.metric.goal })
  const shown = new Set(shownRows(ranks, leaderRows))
  return ranks.flatMap(rank => (shown.has(rank) ? [] : [rank.experimentId]))
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
