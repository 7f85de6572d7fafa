import type { CampaignView } from '#protocol/campaign.ts'
import type { CampaignTicks, Tick } from '#protocol/ticks.ts'
import { progressOf } from '#runtime/eta.ts'
import { get, type Resource } from '../data.ts'
import { whole } from '../format.ts'
import { type Hour, ticksAfter } from '../hour.ts'
import { clock, useLive } from '../live.ts'

interface Mark {
  /** 0 to 1: where. */
  readonly at: number
  /** A colour token. */
  readonly token: string
  /** 0 to 1. */
  readonly height: number
}

interface RugProps {
  readonly marks: readonly Mark[]
  readonly label: string
  /** In the pixels that it is about to have: at most one mark of a colour is drawn on three of them, the tallest. */
  readonly width?: number
  /** From where on, 0 to 1, a line stands for what is missing. */
  readonly rest?: number
}

const HEIGHT = 24
const STEP = 3

/** Every result is one mark. */
export function Rug({ marks, label, width = 720, rest = 1 }: RugProps) {
  const bins = new Map<string, Mark & { readonly bin: number }>()
  for (const mark of marks) {
    const bin = Math.max(0, Math.min(width / STEP - 1, Math.floor((mark.at * width) / STEP)))
    const key = `${bin} ${mark.token}`
    const known = bins.get(key)
    if (known === undefined || known.height < mark.height) bins.set(key, { ...mark, bin })
  }
  // The lower stand in front of the taller.
  const drawn = [...bins].sort(([, a], [, b]) => b.height - a.height)
  return (
    <svg
      class="rug"
      viewBox={`0 0 ${width} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {rest < 1 && (
        <rect x={rest * width} y={HEIGHT - 2} width={(1 - rest) * width} height="2" fill="var(--line)" />
      )}
      {drawn.map(([key, { bin, height, token }]) => (
        <rect
          key={key}
          x={bin * STEP}
          y={HEIGHT * (1 - height)}
          width={STEP - 1}
          height={HEIGHT * height}
          fill={`var(--${token})`}
        />
      ))}
    </svg>
  )
}

// The more replicas agreed the taller, and above all a new best.
const HEIGHTS = [0.45, 0.45, 0.65, 0.85]
const FAILED_HEIGHT = 0.3

function marksOf({ runs, failed, agreed, best }: Tick, at: number): Mark[] {
  const good = best
    ? { at, token: 'accent', height: 1 }
    : { at, token: 'ink-3', height: HEIGHTS[Math.min(agreed, HEIGHTS.length - 1)] ?? 1 }
  return [
    ...(runs > failed || best ? [good] : []),
    ...(failed > 0 ? [{ at, token: 'bad', height: FAILED_HEIGHT }] : []),
  ]
}

const HOUR_MS = 3600_000

interface HourRugProps extends Pick<Hour, 'ticks' | 'aheadMs'> {
  readonly width?: number
}

/** When runs became public in the last hour, of all campaigns or of one. */
export function HourRug({ ticks, aheadMs, width = 720 }: HourRugProps) {
  const until = clock.value + aheadMs
  const since = until - HOUR_MS
  const shown = ticks.filter(tick => Date.parse(tick.at) > since)
  const label = `Runs that became public in the last hour: ${countText(shown)}`
  return <SpanRug label={label} width={width} {...{ ticks: shown, since, until }} />
}

interface SpanRugProps extends Omit<RugProps, 'marks'> {
  readonly ticks: readonly Tick[]
  readonly since: number
  readonly until: number
}

/** Ticks where they stand in a span of time. */
export const SpanRug = ({ ticks, since, until, ...rug }: SpanRugProps) => (
  <Rug
    {...rug}
    marks={ticks.flatMap(tick => marksOf(tick, (Date.parse(tick.at) - since) / (until - since)))}
  />
)

/** When the runs of a campaign became public, kept current. */
export const useTicks = (id: string): Resource<CampaignTicks> =>
  useLive(`ticks ${id}`, () => get<CampaignTicks>(`/campaigns/${id}/ticks`), {
    topics: [`campaign:${id}`],
    patch: ticksAfter,
  })

interface CampaignRugProps {
  readonly campaign: CampaignView
  readonly ticks: Resource<CampaignTicks>
}

/** How far a campaign is: its public runs in the order in which they became so, as far as they fill its plan. */
export function CampaignRug({ campaign, ticks: known }: CampaignRugProps) {
  const now = known.now.value
  const { runs, ticks } = now.state === 'ready' ? now.value : { runs: 0, ticks: [] }
  const all = Math.max(1, runs, campaign.state === 'running' ? progressOf(campaign).total : runs)
  let before = 0
  const marks = ticks.flatMap(tick => {
    const at = before / all
    before += tick.runs
    return marksOf(tick, at)
  })
  const plan = all > runs ? `, of about ${whole(Math.round(all))} planned` : ''
  return (
    <Rug label={`Public runs, oldest first: ${countText(ticks)}${plan}`} marks={marks} rest={runs / all} />
  )
}

function countText(ticks: readonly Tick[]): string {
  const runs = ticks.reduce((sum, tick) => sum + tick.runs, 0)
  const failed = ticks.reduce((sum, tick) => sum + tick.failed, 0)
  const bests = ticks.filter(tick => tick.best).length
  return [
    whole(runs),
    ...(failed > 0 ? [`${whole(failed)} without a metric`] : []),
    ...(bests > 0 ? [`${whole(bests)} times a new best`] : []),
  ].join(', ')
}
