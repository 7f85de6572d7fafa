import { invariant } from '#domain/invariant.ts'
import { planCampaign } from '#search/plan.ts'
import { hasRoom, nextSpace } from '#search/respace.ts'
import { listRevisions, reviseCampaign } from '#store/campaign-life.ts'
import { lockCampaign } from '#store/campaigns.ts'
import { withheldOf } from '#store/withheld.ts'
import type { Growth } from './create-units.ts'
import { say } from './say.ts'
import type { Told } from './search.ts'

/**
 * Lets the agent of a locked, running campaign move its space where what was told says so: a revision of its own, within what the file
 * allows it, with a note of what it saw. What the leaderboard withholds it does not see, since its note would tell. True when
 * the campaign has another file now.
 */
export async function moveSpace(
  { trx, deps, campaign, source, now }: Growth,
  { history }: Told,
): Promise<boolean> {
  const { id, file, revision } = campaign
  const { agent } = file
  // Without what is withheld no more is decided than with it; that costs little.
  if (agent === undefined || nextSpace(file, revision, history) === undefined) return false
  const own = (await listRevisions(trx, id)).filter(({ author }) => author === 'agent')
  if (own.length >= agent.revisions) return false
  const withheld = new Set<string>(await withheldOf(trx, campaign, deps.trust))
  const reports = history.reports.filter(({ ordinal }) => !withheld.has(history.trials[ordinal]?.id ?? ''))
  const next = nextSpace(file, revision, { ...history, reports })
  if (next === undefined) return false
  const begun = { created: campaign.experimentsCreated, respaced: true }
  const plan = planCampaign(next.file, source.manifest, begun)
  if (!plan.ok || !hasRoom(plan.spaceSize, next.file)) return false
  const row = await lockCampaign(trx, id)
  invariant(row !== undefined, 'a locked campaign is there')
  const made = await reviseCampaign(trx, {
    ...{ campaign: row, file: next.file, author: 'agent', reason: next.reason, respaced: true },
    ...{ reserveMilli: row.reservedMilli, now }, // as many runs as before
  })
  if (made !== 'revised') return false
  await say({ trx, deps, campaign, now }, 'decision', next.text, next.evidence)
  return true
}
