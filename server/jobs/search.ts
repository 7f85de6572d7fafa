import type { Recipe } from '#protocol/job.ts'
import type { Proposer, Pruner } from '#protocol/space.ts'
import type { CampaignId, Instant } from '#protocol/units.ts'
import { newPromotions } from '#search/bandit.ts'
import type { CampaignSearch } from '#search/campaign-search.ts'
import type { Goal, History, Promotion } from '#search/history.ts'
import { lastOutcomes, newReports } from '#search/outcome.ts'
import { type Climb, nextClimbs, runningOf } from '#search/scheduler.ts'
import type { Trx } from '#store/database.ts'
import type { Histories, KnownHistory } from '#store/histories.ts'
import { appendPromotions, listPromoted, readPromotions } from '#store/proposers.ts'
import { appendReports, insertClimbs, readClimbs, readRunsSinceReport } from '#store/search.ts'

/** A recipe with what makes its proposal computable again. */
export interface Proposed {
  readonly ordinal: number
  readonly recipe: Recipe
  readonly asked: number
  readonly promotions: number
  readonly proposer: Proposer
}

/** What a sampler proposes next, and why it proposes no more. */
export interface Proposals {
  readonly proposed: readonly Proposed[]
  readonly refusal: { readonly code: string; readonly detail: string } | null
}

/** What a locked campaign knows of its experiments. */
export interface Told {
  readonly history: KnownHistory & Pick<History, 'promotions'>
  /** What of it was told now. */
  readonly promoted: readonly Promotion[]
  /** Those that went on to a further rung; none in a campaign that stops no run early. */
  readonly climbs: readonly Climb[]
  /** How many experiments are on their way to a rung. */
  readonly inFlight: number
}

/**
 * Tells the history of a locked campaign what has become of its experiments. It is stored with what follows from it: each
 * proposal, and who went on to which rung, can be computed again.
 */
export async function tellHistory(
  trx: Trx,
  histories: Histories,
  { id, pruner, takesTurns, now }: { id: CampaignId; pruner: Pruner; takesTurns: boolean; now: Instant },
): Promise<Told> {
  const before = await histories.read(trx, id) // under the lock, and before anything is added: what others committed
  const added = newReports(await readRunsSinceReport(trx, id), lastOutcomes(before))
  await appendReports(trx, id, { from: before.reports.length, reports: added, now })
  const known = takesTurns ? await readPromotions(trx, id) : []
  const promoted = takesTurns ? newPromotions(known, await listPromoted(trx, id)) : []
  await appendPromotions(trx, id, { from: known.length, promotions: promoted, now })
  const promotions = [...known, ...promoted]
  const history = { ...before, reports: [...before.reports, ...added], promotions }
  const climbs = pruner === 'none' ? [] : await readClimbs(trx, id)
  return { history, promoted, climbs, inFlight: runningOf(history, climbs).size }
}

/** Asks the proposers of a campaign for so many recipes; `waiting` are those from outside that wait for their turn. */
export function propose(
  search: CampaignSearch,
  history: History,
  { count, waiting }: { readonly count: number; readonly waiting: readonly Recipe[] },
): Proposals {
  if (count <= 0) return { proposed: [], refusal: null }
  const reply = search.ask(history, count, waiting)
  const proposed = reply.proposals.map(({ values: _, ...proposal }) => proposal)
  return { proposed, refusal: reply.ok ? null : { code: reply.code, detail: reply.detail } }
}

export interface ClimbRules {
  readonly id: CampaignId
  readonly pruner: Pruner
  readonly goal: Goal
  /** Nothing more will be tried. */
  readonly isTried: boolean
  /** How many may go on at once. */
  readonly most: number
}

/** Lets those experiments of a locked campaign go on that its pruner chooses now; `units` are still to be made of them. */
export async function letGoOn(
  trx: Trx,
  { history, climbs }: Told,
  { id, most, ...rules }: ClimbRules,
): Promise<readonly Climb[]> {
  if (rules.pruner === 'none') return []
  const next = nextClimbs(rules, history, climbs).slice(0, most)
  await insertClimbs(trx, id, next)
  return next
}
