import { Job } from '#protocol/job.ts'
import type { Lease } from '#protocol/scheduler.ts'
import { controlOf } from './agent-control.ts'
import { type AgentState, modeOf } from './agent-state.ts'
import type { RunOutcome, Slice } from './run.ts'
import { type Computed, FATES, type Fate, type Point, type RunNow, type Snapshot } from './snapshot.ts'
import type { VolunteerNews } from './volunteer.ts'

const LOG_LINES = 50
/** As many points as a small chart can show. */
const POINTS_MAX = 200

/** What the pages see after some news, given what they saw before. */
export function heard(before: Snapshot, news: VolunteerNews, state: AgentState, now: number): Snapshot {
  const known = new Set(state.held.filter(h => h.phase === 'running').map(h => String(h.lease.resultId)))
  const next = { ...stateShown(noted(before, news, now), state), phase: 'on' } as const
  const line = lineOf(news)
  return {
    ...next,
    runs: next.runs.filter(run => known.has(run.resultId)),
    log: line === undefined ? next.log : [...next.log, { at: now, text: line }].slice(-LOG_LINES),
  }
}

/** The same with what the agent's state says by itself. */
export const stateShown = (before: Snapshot, state: AgentState): Snapshot => ({
  ...before,
  mode: modeOf(state),
  control: controlOf(state),
  cores: state.options.cores,
  unsent: state.outbox.length,
})

/** A checkpoint of that run is on disk. */
export const kept = (before: Snapshot, resultId: string): Snapshot => ({
  ...before,
  runs: before.runs.map(run => (run.resultId === resultId ? { ...run, saved: run.fraction } : run)),
})

function noted(before: Snapshot, news: VolunteerNews, now: number): Snapshot {
  switch (news.ev) {
    case 'result.start':
      return { ...before, runs: [...without(before.runs, news.lease.resultId), begun(news.lease)] }
    case 'result.progress':
      return { ...before, runs: progressed(before.runs, news.lease, news.slice) }
    case 'result.done':
      return { ...before, computed: [...before.computed, computedOf(news.lease, news.outcome, now)] }
    case 'result.verdict': {
      const { result, verdict, milli, balanceMilli } = news
      return { ...before, balanceMilli, computed: judged(before.computed, result, fateOf(verdict), milli) }
    }
    case 'result.refused':
      return { ...before, computed: judged(before.computed, news.result, 'error', 0) }
    case 'offline':
      return { ...before, offline: news.reason }
    case 'online':
      return { ...before, offline: null }
    case 'blocked':
      return { ...before, trouble: news.hint }
    default:
      return before
  }
}

function begun(lease: Lease): RunNow {
  const { recipe, seed } = Job.parse(JSON.parse(lease.job))
  return {
    resultId: lease.resultId,
    campaign: lease.campaign,
    kernel: `${lease.kernel.name}@${lease.kernel.version}`,
    recipe,
    seed,
    fraction: 0,
    secondsLeft: null,
    saved: null,
    curve: [],
  }
}

const without = (runs: readonly RunNow[], id: string): readonly RunNow[] =>
  runs.filter(run => run.resultId !== id)

function progressed(runs: readonly RunNow[], lease: Lease, slice: Slice): readonly RunNow[] {
  const before = runs.find(run => run.resultId === lease.resultId) ?? begun(lease)
  const { fraction, busyMs, output } = slice
  const gained = fraction - before.fraction
  const next = {
    ...before,
    fraction,
    secondsLeft:
      gained > 0 && before.fraction > 0 ? ((1 - fraction) * busyMs) / gained / 1000 : before.secondsLeft,
    curve: extended(before.curve, fraction, output?.train),
  }
  return [...without(runs, lease.resultId), next].sort((a, b) => a.resultId.localeCompare(b.resultId))
}

function extended(
  curve: readonly Point[],
  fraction: number,
  loss: number | null | undefined,
): readonly Point[] {
  if (loss === undefined || loss === null) return curve
  const longer: Point[] = [...curve, [fraction, loss]]
  // Thinned evenly: the beginning of a curve is its most telling part.
  return longer.length <= POINTS_MAX
    ? longer
    : longer.filter((_, i) => i % 2 === 0 || i === longer.length - 1)
}

function computedOf(lease: Lease, outcome: RunOutcome, at: number): Computed {
  const report = outcome.type === 'report' ? outcome : undefined
  return {
    resultId: lease.resultId,
    campaignId: lease.campaign.id,
    title: lease.campaign.title,
    at,
    metric: report?.report.metric ?? null,
    digest: report?.digest ?? null,
    fate: report === undefined ? 'error' : 'waiting',
    milli: 0,
  }
}

const fateOf = (verdict: string): Fate => FATES.find(name => name === verdict) ?? 'waiting'

const judged = (computed: readonly Computed[], id: string, fate: Fate, milli: number): readonly Computed[] =>
  computed.map(one => (one.resultId === id ? { ...one, fate, milli } : one))

/** The line of the log; progress has none. */
function lineOf(news: VolunteerNews): string | undefined {
  switch (news.ev) {
    case 'result.start':
      return `started a run of “${news.lease.campaign.title}”`
    case 'result.done':
      return `computed a run of “${news.lease.campaign.title}”`
    case 'result.accepted':
      return 'the server took the result and waits for a second opinion'
    case 'result.refused':
      return `the server refused a result: ${news.hint}`
    case 'result.verdict':
      return `a result is ${news.verdict}${news.milli > 0 ? `, +${news.milli / 1000} credits` : ''}`
    case 'result.abort':
      return `a run was called off: ${news.reason}`
    case 'nowork':
      return `no work; asking again in ${Math.ceil(news.retryMs / 1000)} s`
    case 'paused':
      return `paused: ${news.reasons.join(', ')}`
    case 'resumed':
      return 'going on'
    case 'offline':
      return `the server does not answer: ${news.reason}`
    case 'self-test':
      return `self-test ${news.passed ? 'passed' : 'failed'}: ${news.detail}`
    case 'blocked':
      return news.hint
    case 'notice':
      return news.text
    default:
      return undefined
  }
}
