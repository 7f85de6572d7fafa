import { setTimeout as sleep } from 'node:timers/promises'
import { CampaignView } from '#protocol/campaign.ts'
import type { Grid } from '../grid.ts'
import type { Program } from '../process.ts'
import { recipeText, say } from './narrate.ts'

const POLL_MS = 400
/** The demo promises 90 s; after this something is stuck and says so. */
const PATIENCE_MS = 240_000

/** Narrates a campaign until it has ended. */
export async function follow(grid: Grid, id: string, volunteers: readonly Program[]): Promise<CampaignView> {
  for (const volunteer of volunteers) narrateVerdicts(volunteer)
  const giveUpAt = performance.now() + PATIENCE_MS
  let last: CampaignView | undefined
  while (performance.now() < giveUpAt) {
    const view = await grid.get(`/api/v1/campaigns/${id}`, CampaignView)
    for (const line of news(last, view)) say(line)
    if (view.state !== 'running') return view
    last = view
    await sleep(POLL_MS)
  }
  throw new Error(`the campaign did not end in ${PATIENCE_MS / 1000} s: ${JSON.stringify(last)}`)
}

/** What a reader would want to hear of the step from one view to the next. */
function news(before: CampaignView | undefined, now: CampaignView): string[] {
  const lines: string[] = []
  const grew = (count: (view: CampaignView) => number): boolean =>
    before !== undefined && count(now) > count(before)
  if (grew(view => view.results.noReply))
    lines.push('A deadline passed without a word from a host: its run is given to somebody else.')
  if (grew(view => Math.floor(view.workUnits.valid / 6)))
    lines.push(`${now.workUnits.valid} of ${now.experiments.planned} work units are valid.`)
  const best = now.best
  if (best !== null && best.mean !== before?.best?.mean)
    lines.push(`Best so far ${best.mean.toFixed(4)} bpb: ${recipeText(best.recipe)}`)
  return lines
}

/** Invalid verdicts are rare and worth a line; valid ones only the first. */
function narrateVerdicts(volunteer: Program): void {
  let paid = false
  volunteer.onEvent(event => {
    if (event.ev !== 'result.verdict') return
    if (event.verdict === 'invalid')
      say(`${volunteer.name}'s number does not stand: a trusted re-run got another one. No credit.`)
    if (event.verdict === 'valid' && !paid) {
      paid = true
      say(`${volunteer.name} gets its first credit: ${Number(event.milli) / 1000}.`)
    }
  })
}
