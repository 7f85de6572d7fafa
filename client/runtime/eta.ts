import type { CampaignView } from '#protocol/campaign.ts'
import type { Tick } from '#protocol/ticks.ts'

/** How much of a campaign was over at some time. */
export interface Progress {
  readonly atMs: number
  readonly over: number
}

/** When a campaign will probably have ended, and from what that is told. */
export interface Eta {
  readonly remainingMs: number
  /** Over how long, and by how many runs. */
  readonly byMs: number
  readonly byRuns: number
}

// Of fewer runs, or a shorter time, a rate is chance.
const RUNS_MIN = 3
const WINDOW_MS_MIN = 10_000
const WINDOW_MS_MAX = 10 * 60_000

/** Runs that are over, of the whole plan as far as it can be told: what was created so far, scaled up to all experiments. */
export function progressOf({ workUnits, experiments }: CampaignView): { over: number; total: number } {
  const { open, valid, failed, cancelled } = workUnits
  const over = valid + failed + cancelled
  const scale = experiments.created === 0 ? 1 : Math.max(1, experiments.planned / experiments.created)
  return { over, total: (over + open) * scale }
}

/**
 * By the rate at which runs ended in the last ten minutes that were watched, or since the first look when that is shorter. Undefined
 * while there is no rate, and of a campaign that is not running. Runs that a search cuts short, and fresh runs for tests, are not foreseen.
 * @param seen what was seen before and now, oldest first
 */
export function etaOf(view: CampaignView, seen: readonly Progress[]): Eta | undefined {
  if (view.state !== 'running') return undefined
  const now = seen.at(-1)
  const first = now && seen.find(({ atMs }) => now.atMs - atMs <= WINDOW_MS_MAX)
  if (now === undefined || first === undefined) return undefined
  const [byMs, byRuns] = [now.atMs - first.atMs, now.over - first.over]
  if (byMs < WINDOW_MS_MIN || byRuns < RUNS_MIN) return undefined
  return etaBy(view, { byMs, byRuns })
}

const HOUR_MS = 3600_000
// Runs become public in batches: of fewer in ten minutes the rate would jump with each.
const RUNS_SURE = 20

/**
 * The same by what the server told of it: by the runs that became public in the last ten minutes, or in the last hour where those were
 * too few. Runs may have been public elsewhere before they counted here, and come in batches: it is a little less sure.
 */
export function etaFrom(
  view: CampaignView,
  ticks: readonly Pick<Tick, 'at' | 'runs'>[],
  nowMs: number,
): Eta | undefined {
  if (view.state !== 'running') return undefined
  const ageMs = nowMs - Date.parse(view.createdAt)
  for (const [windowMs, least] of [
    [WINDOW_MS_MAX, RUNS_SURE],
    [HOUR_MS, RUNS_MIN],
  ] as const) {
    const byMs = Math.min(windowMs, ageMs)
    const byRuns = ticks
      .filter(({ at }) => nowMs - Date.parse(at) <= byMs)
      .reduce((sum, tick) => sum + tick.runs, 0)
    if (byMs >= WINDOW_MS_MIN && byRuns >= least) return etaBy(view, { byMs, byRuns })
  }
  return undefined
}

function etaBy(view: CampaignView, { byMs, byRuns }: Pick<Eta, 'byMs' | 'byRuns'>): Eta {
  const { over, total } = progressOf(view)
  return { remainingMs: (Math.max(0, total - over) * byMs) / byRuns, byMs, byRuns }
}

/** `1 h 10 min`, in two units at most. */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`
}

export const etaText = ({ remainingMs, byMs, byRuns }: Eta): string =>
  `about ${durationText(remainingMs)} left (${byRuns} runs in the last ${durationText(byMs)})`
