import { invariant } from '#domain/invariant.ts'
import type { Recipe } from '#protocol/job.ts'
import type { CampaignId, Instant } from '#protocol/units.ts'
import type { CampaignSearch } from '#search/campaign-search.ts'
import type { History } from '#search/history.ts'
import { lastOutcomes, newReports } from '#search/outcome.ts'
import type { Trx } from '#store/database.ts'
import { appendReports, type ReportRow, readReports, readRunsSinceReport, readTrials } from '#store/search.ts'

/** A recipe with what makes its proposal computable again. */
export interface Proposed {
  readonly ordinal: number
  readonly recipe: Recipe
  readonly asked: number
}

/** What a sampler proposes next, and why it proposes no more. */
export interface Proposals {
  readonly proposed: readonly Proposed[]
  readonly refusal: { readonly code: string; readonly detail: string } | null
}

/**
 * Tells the history of a locked campaign what has become of its experiments, and asks its sampler for as many as `countOf` says,
 * given how many have no outcome yet. What was told is stored with the proposals: each can be computed again from it.
 */
export async function proposeNext(
  trx: Trx,
  search: CampaignSearch,
  { id, countOf, now }: { id: CampaignId; countOf: (pending: number) => number; now: Instant },
): Promise<Proposals> {
  const history = await tellHistory(trx, id, now)
  const count = countOf(history.trials.length - lastOutcomes(history).size)
  if (count <= 0) return { proposed: [], refusal: null }
  const reply = search.ask(history, count)
  const proposed = reply.proposals.map(({ ordinal, recipe, asked }) => ({ ordinal, recipe, asked }))
  return { proposed, refusal: reply.ok ? null : { code: reply.code, detail: reply.detail } }
}

async function tellHistory(trx: Trx, id: CampaignId, now: Instant): Promise<History> {
  const [trials, before] = [await readTrials(trx, id), await readReports(trx, id)]
  const added = newReports(await readRunsSinceReport(trx, id), lastOutcomes({ reports: before })).map(asRow)
  await appendReports(trx, id, { from: before.length, reports: added, now })
  return { trials, reports: [...before, ...added] }
}

function asRow({ ordinal, outcome }: History['reports'][number]): ReportRow {
  invariant(outcome.state !== 'partial', 'every experiment is run to its end')
  return { ordinal, outcome }
}
