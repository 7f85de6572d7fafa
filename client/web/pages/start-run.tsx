import { useComputed } from '@preact/signals'
import type { AnalysisView } from '#protocol/analysis.ts'
import type { RunNow } from '#runtime/snapshot.ts'
import { bandOf } from '../charts/band.ts'
import { type Line, LineChart } from '../charts/line.tsx'
import { get } from '../data.ts'
import { metric, recipeLine, span } from '../format.ts'
import { useLive } from '../live.ts'
import type { Link } from '../volunteer/link.ts'

type Points = readonly (readonly [number, number])[]

// What others learnt changes with each published run, and is no more than a background here.
const CAMPAIGN_MS = 30_000

/** The run that is computed now, its curve before those of its campaign. */
export function Running({ link, run, paused }: { link: Link; run: RunNow; paused: boolean }) {
  const campaign = useLive(
    `campaign's curves ${run.campaign.id}`,
    () => get<AnalysisView>(`/campaigns/${run.campaign.id}/analysis?part=curves`),
    { topics: [`campaign:${run.campaign.id}`], everyMs: CAMPAIGN_MS },
  )
  const lines = useComputed(() => {
    const now = campaign.now.value
    const curves = now.state === 'ready' ? (now.value.curves?.curves ?? []) : []
    return [
      ...othersOf(curves),
      { label: 'here', points: pointsOf(link, run.resultId), token: 'series-1', width: 2.5 },
    ]
  })
  const percent = Math.round(run.fraction * 100)
  const left = paused || run.secondsLeft === null ? '' : `, about ${span(run.secondsLeft)} left`
  const saved = run.saved === null ? '' : `, kept up to ${Math.round(run.saved * 100)} %`
  const far = `${percent} % computed${left}${saved}`
  const banded = lines.value.some(line => line.label === HIGH)
  const best = lines.value.find(line => line.token === 'champion')
  return (
    <section
      data-result={run.resultId}
      data-percent={percent}
      data-saved={run.saved === null ? undefined : Math.round(run.saved * 100)}
    >
      <h2>
        <a href={`/c/${run.campaign.id}`}>{run.campaign.title}</a>
      </h2>
      <p class="meta">
        {run.kernel} · {recipeLine(run.recipe)} · seed {run.seed}
      </p>
      {run.curve.length < 2 ? (
        <p class="dim">{far}. The curve begins when the model has told its loss twice.</p>
      ) : (
        <LineChart
          name="loss"
          lines={lines.value}
          {...(banded
            ? { between: { label: 'half of the others', low: LOW, high: HIGH, token: 'ink-3' } }
            : {})}
          x="share of the run, %"
          y="loss"
          height={220}
          sentence={`${far}: the loss of the model that is trained here${best === undefined ? '' : `, before those of the campaign: ${best.label}`}.`}
        />
      )}
    </section>
  )
}

const [LOW, HIGH] = ['lower quartile', 'upper quartile']

type Curves = NonNullable<AnalysisView['curves']>['curves']

/** The best of the campaign, and where half of the others are. */
function othersOf(curves: Curves): Line[] {
  const learnt = curves.map(({ rank, value, points }) => ({
    rank,
    value,
    points: points.flatMap((p): [number, number][] => (p.train === null ? [] : [[p.fuel * 100, p.train]])),
  }))
  const best = learnt.find(({ rank, points }) => rank === 1 && points.length > 1)
  const band = bandOf(
    learnt.map(({ points }) => points),
    100,
  )
  const hidden = { token: 'ink-3', width: 0 }
  return [
    ...(band.median.length < 2
      ? []
      : [
          { ...hidden, label: LOW, points: band.low },
          { ...hidden, label: HIGH, points: band.high },
          { label: 'median', points: band.median, token: 'ink-3', width: 1 },
        ]),
    ...(best === undefined
      ? []
      : [
          {
            label: `best, ${metric(best.value)}`,
            points: best.points,
            token: 'champion',
            dash: [6, 4],
            width: 1.5,
          },
        ]),
  ]
}

const pointsOf = ({ volunteering }: Link, resultId: string): Points =>
  (volunteering.value?.runs.find(run => run.resultId === resultId)?.curve ?? []).map(
    ([fraction, loss]) => [fraction * 100, loss] as const,
  )
