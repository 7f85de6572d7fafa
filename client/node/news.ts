import { Job } from '#protocol/job.ts'
import type { Lease } from '#protocol/scheduler.ts'
import type { VolunteerNews } from '#runtime/volunteer.ts'

/** The fields of an event for scripts. */
export function eventFields(news: VolunteerNews): Record<string, unknown> {
  switch (news.ev) {
    case 'result.lease':
    case 'result.start':
      return leaseFields(news.lease)
    case 'result.progress': {
      const { slice } = news
      const train = slice.output?.train
      return {
        result: news.lease.resultId,
        fraction: slice.fraction,
        step: slice.step,
        ...(typeof train === 'number' ? { train } : {}),
      }
    }
    case 'result.done':
      return { ...leaseFields(news.lease), ...outcomeFields(news) }
    default: {
      const { ev: _, ...fields } = news
      return fields
    }
  }
}

const leaseFields = ({ resultId, workUnitId, campaign, deadline }: Lease) => ({
  result: resultId,
  workUnit: workUnitId,
  campaign: campaign.id,
  deadline,
})

type Done = Extract<VolunteerNews, { ev: 'result.done' }>

/** What weights reach on a text that nobody outside has is for the server alone: a verifier's output and log do not say it. */
const isEvaluation = ({ job }: Lease): boolean => Job.parse(JSON.parse(job)).task === 'evaluate'

function outcomeFields({ outcome, lease }: Done): Record<string, unknown> {
  if (outcome.type === 'error') return { outcome: 'error', code: outcome.code, detail: outcome.detail }
  if (outcome.type === 'stopped') return { outcome: 'error', code: 'host_stopped' }
  const { report, digest, cpuMs } = outcome
  if (isEvaluation(lease)) return { outcome: 'success', status: report.status, cpuMs }
  return { outcome: 'success', status: report.status, value: report.metric?.value ?? null, digest, cpuMs }
}

/** The same in words; undefined for what is not worth a line. */
export function sentence(news: VolunteerNews): string | undefined {
  switch (news.ev) {
    case 'result.lease':
    case 'result.progress':
    case 'result.accepted':
      return undefined
    case 'result.start':
      return `task ${news.lease.resultId}: ${news.lease.campaign.title}`
    case 'result.done':
      return `task ${news.lease.resultId}: ${outcomeWords(news)}`
    case 'result.kept':
      return `task ${news.result}: kept; it goes on when this client starts again`
    case 'result.refused':
      return `task ${news.result}: the server refused the report (${news.code}) ${news.hint}`
    case 'result.abort':
      return `task ${news.result}: given up, ${news.reason}`
    case 'result.verdict':
      return `task ${news.result}: ${news.verdict}, ${credit(news.milli)} (balance ${credit(news.balanceMilli)})`
    case 'nowork':
      return `nothing to do until a campaign needs this machine; next look in ${seconds(news.retryMs)}`
    case 'paused':
      return `paused (${news.reasons.join(', ')})`
    case 'resumed':
      return 'going on'
    case 'draining':
      return 'finishing what is here, taking nothing new'
    case 'stopping':
      return 'stopping at the next step; once more to stop at once'
    case 'blocked':
      return `cannot go on: ${news.code}. ${news.hint}`
    case 'notice':
      return `the server says: ${news.text}`
    case 'offline':
      return `the server does not answer (${news.reason}); again in ${seconds(news.retryMs)}`
    case 'online':
      return 'the server answers again'
    case 'self-test':
      return `self-test ${news.passed ? 'passed' : 'FAILED'}: ${news.detail}`
    default:
      return unreachable(news)
  }
}

function outcomeWords({ outcome, lease }: Done): string {
  if (outcome.type === 'error') return `failed here, ${outcome.code}: ${outcome.detail}`
  if (outcome.type === 'stopped') return 'given back'
  const { report, cpuMs } = outcome
  if (isEvaluation(lease)) return `weights evaluated in ${seconds(cpuMs)}`
  const value =
    report.metric === null ? report.status : `${report.metric.name} ${report.metric.value.toFixed(4)}`
  return `${value} in ${seconds(cpuMs)}, waiting for a second opinion`
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
export const credit = (milli: number): string => `${(milli / 1000).toFixed(3)} cr`

function unreachable(value: never): never {
  throw new Error(`unhandled news ${JSON.stringify(value)}`)
}
