import { setTimeout as sleep } from 'node:timers/promises'
import { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import { ask, type Endpoint, Refusal, Unreachable } from '#runtime/api.ts'
import { backoffMs } from '#runtime/backoff.ts'
import { etaOf, etaText, type Progress, progressOf } from '#runtime/eta.ts'
import { leaderboardLines } from './tables.ts'
import type { Talk } from './talk.ts'
import { campaignPath } from './verb.ts'

const POLL_MS = 1_000
// A server's restart, not more: a watcher is a person or a script that waits.
const PATIENCE = 8

// One a second, for the ten minutes that an estimate looks back.
const SEEN_MAX = 600

interface Watched {
  readonly talk: Talk
  readonly endpoint: Endpoint
  readonly id: string
}

/** Follows a campaign until it has ended, a line for each change, then its leaderboard. */
export async function watchCampaign({ talk, endpoint, id }: Watched): Promise<CampaignView> {
  let before = ''
  const seen: Progress[] = []
  for (;;) {
    const view = await patientAsk(() =>
      ask(endpoint, CampaignView, { method: 'GET', path: campaignPath(id) }),
    )
    seen.push({ atMs: performance.now(), over: progressOf(view).over })
    if (seen.length > SEEN_MAX) seen.shift()
    const eta = etaOf(view, seen)
    const line = progressLine(view)
    if (line !== before)
      talk.event(
        'campaign.progress',
        { ...view, etaMs: eta?.remainingMs ?? null },
        eta === undefined ? line : `${line}, ${etaText(eta)}`,
      )
    before = line
    if (view.state !== 'running' && view.state !== 'paused') {
      const path = `${campaignPath(id)}/leaderboard`
      const leaderboard = await patientAsk(() => ask(endpoint, Leaderboard, { method: 'GET', path }))
      if (talk.json) talk.event('campaign.end', { campaign: view, leaderboard })
      else talk.data(leaderboardLines(leaderboard).join('\n'))
      return view
    }
    await sleep(POLL_MS)
  }
}

async function patientAsk<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (error) {
      const passing = error instanceof Unreachable || (error instanceof Refusal && error.problem.retryable)
      if (!passing || attempt === PATIENCE) throw error
      await sleep(backoffMs(attempt, Math.random))
    }
  }
}

function progressLine({ state, workUnits, results, experiments, best, metric }: CampaignView): string {
  const found =
    best === null ? 'nothing published yet' : `best ${metric.name} ${best.mean.toFixed(4)} (n=${best.n})`
  const units = `${workUnits.valid} valid, ${workUnits.open} open, ${workUnits.failed} failed`
  return `${state}: ${experiments.created}/${experiments.planned} experiments, units ${units}, ${results.inProgress} computing, ${found}`
}
