import type { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import { VIEW_PATHS } from '#protocol/first.ts'
import type { TestList } from '#protocol/tests.ts'
import { Figure } from '../charts/figure.tsx'
import { Gauge } from '../charts/gauge.tsx'
import { LineChart } from '../charts/line.tsx'
import { get } from '../data.ts'
import { metric, setting, span, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { Empty, Shown, State } from '../ui/parts.tsx'
import type { TabProps } from './campaign.tsx'
import { Top } from './campaign-top.tsx'

/** How far the search has come, what mattered, and what was tested. */
export function Overview({ campaign, known }: TabProps) {
  const { id } = campaign
  const analysis = useLive(`overview ${id}`, () => get<AnalysisView>(VIEW_PATHS.overview(id)), {
    topics: [`campaign:${id}`],
  })
  return (
    <>
      <Shown from={analysis} what="the analysis">
        {shown => (
          <div class="two">
            <BestSoFar of={shown} campaign={campaign} />
            <Importance of={shown} />
          </div>
        )}
      </Shown>
      <Top campaign={campaign} />
      <Shown from={known} what="the tests">
        {({ tests }) => <Tests of={tests} metricName={campaign.metric.name} />}
      </Shown>
    </>
  )
}

const TESTS_SHOWN = 5

function Tests({ of: { effect, tests }, metricName }: { of: TestList; metricName: string }) {
  if (effect === null || tests.length === 0) return null
  return (
    <section>
      <h2>Is it really better?</h2>
      <p class="dim">
        Sequential tests on fresh paired seeds that screening never used, for an effect of {setting(effect)}{' '}
        {metricName}.
      </p>
      <ul class="items">
        {[...tests]
          .reverse()
          .slice(0, TESTS_SHOWN)
          .map(test => (
            <li key={test.number}>
              <div class="row">
                <State of={test.state} />
                <a href={`/e/${test.challenger}`}>challenger</a> against{' '}
                <a href={`/e/${test.incumbent}`}>incumbent</a>
                <span class="grow" />
                {test.gain !== null && (
                  <span>
                    gain {metric(test.gain.mean)} {test.gain.ci95 !== null && `± ${metric(test.gain.ci95)}`}{' '}
                    <span class="dim">n={test.gain.n} pairs</span>
                  </span>
                )}
              </div>
              <Gauge value={test.llr} lower={test.lower} upper={test.upper} />
            </li>
          ))}
      </ul>
    </section>
  )
}

function BestSoFar({ of: { bestSoFar }, campaign }: { of: AnalysisView; campaign: CampaignView }) {
  const steps = bestSoFar?.steps ?? []
  const last = steps.at(-1)
  if (bestSoFar === undefined || last === undefined) return <Empty>No finished experiment yet.</Empty>
  // A step holds until the next one, the last until now: its value is drawn up to there.
  const points = steps.flatMap(({ finished, value }, i): (readonly [number, number])[] => {
    const next = steps[i + 1]?.finished
    return [
      [finished, value],
      [next === undefined ? bestSoFar.n : next - 0.001, value],
    ]
  })
  const age = span((Date.now() - Date.parse(last.at)) / 1000)
  return (
    <section>
      <h2>Best so far</h2>
      <LineChart
        name="best-so-far"
        lines={[{ label: `best ${campaign.metric.name}`, points, token: 'champion', width: 2 }]}
        x="experiments finished"
        y={campaign.metric.name}
        sentence={`Best so far ${metric(last.value)}, found ${age} ago as experiment ${last.finished} of ${bestSoFar.n}.`}
      />
    </section>
  )
}

function Importance({ of: { importance } }: { of: AnalysisView }) {
  const parameters = [...(importance?.parameters ?? [])].sort((a, b) => b.share - a.share)
  const [first] = parameters
  if (importance === undefined || first === undefined)
    return (
      <section>
        <h2>What matters</h2>
        <Empty>Told when enough experiments have finished.</Empty>
      </section>
    )
  return (
    <section>
      <h2>What matters</h2>
      <Figure
        name="importance"
        sentence={`${first.name} tells the best from all by ${Math.round(first.share * 100)} %, n=${whole(importance.n)}. ${importance.method}`}
        twin={() => ({ columns: ['parameter', 'share'], rows: parameters.map(p => [p.name, p.share]) })}
      >
        <ul class="bars">
          {parameters.map(({ name, share }) => (
            <li key={name}>
              <span>{name}</span>
              <meter value={share} min={0} max={1} aria-label={`${name}: ${Math.round(share * 100)} %`} />
              <span class="n">{Math.round(share * 100)} %</span>
            </li>
          ))}
        </ul>
      </Figure>
    </section>
  )
}
