import type { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import type { TestList } from '#protocol/tests.ts'
import { Figure } from '../charts/figure.tsx'
import { Gauge } from '../charts/gauge.tsx'
import { LineChart } from '../charts/line.tsx'
import { get } from '../data.ts'
import { metric, setting, span } from '../format.ts'
import { useLive } from '../live.ts'
import { Empty, Shown, State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

interface TabProps {
  readonly campaign: CampaignView
}

const analysisOf = (id: string, part: string) => () =>
  get<AnalysisView>(`/campaigns/${id}/analysis?part=${part}`)

/** The answer, with how sure it is. */
export function Overview({ campaign }: TabProps) {
  const { id, best } = campaign
  const tests = useLive(`tests ${id}`, () => get<TestList>(`/campaigns/${id}/tests`), {
    topics: [`campaign:${id}`],
  })
  const analysis = useLive(`overview ${id}`, analysisOf(id, 'best-so-far,importance'), {
    topics: [`campaign:${id}`],
  })
  return (
    <>
      {best === null ? (
        <Empty>No run is valid yet. The first values appear when two machines agree.</Empty>
      ) : (
        <p class="prose">
          The best recipe so far reaches {campaign.metric.name} <strong>{metric(best.mean)}</strong> (n=
          {best.n}): <a href={`/e/${best.experimentId}`}>its recipe and how it learnt</a>.
        </p>
      )}
      <Shown from={tests} what="the tests">
        {shown => <Tests of={shown} metricName={campaign.metric.name} />}
      </Shown>
      <Shown from={analysis} what="the analysis">
        {shown => (
          <div class="two">
            <BestSoFar of={shown} campaign={campaign} />
            <Importance of={shown} />
          </div>
        )}
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
        sentence={`${importance.method}, n=${importance.n}: ${first.name} explains ${Math.round(first.share * 100)} % of the difference.`}
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

/** Each parameter by itself: where in its range the good values are. */
export function Slices({ campaign }: TabProps) {
  const analysis = useLive(`slices ${campaign.id}`, analysisOf(campaign.id, 'slices'), {
    topics: [`campaign:${campaign.id}`],
  })
  return (
    <Shown from={analysis} what="the slices">
      {({ slices }) => {
        if (slices === undefined || slices.n === 0) return <Empty>No finished experiment yet.</Empty>
        return slices.parameters.map(({ name, bins }) => (
          <section key={name}>
            <h2>{name}</h2>
            <Figure
              name={`slice-${name}`}
              sentence={`The best and the mean ${campaign.metric.name} in each part of ${name}, n=${slices.n}.`}
              twin={() => ({
                columns: [name, 'n', 'best', 'mean', '± 95 %'],
                rows: bins.map(bin => [setting(bin.value), bin.n, bin.best, bin.mean, bin.ci95]),
              })}
            >
              <Table
                label={name}
                columns={[
                  name,
                  ...['n', 'best', 'mean ± 95 %'].map(head => ({ name: head, isNumber: true })),
                ]}
                rows={bins.map(bin => ({
                  key: setting(bin.value),
                  cells: [
                    ...[setting(bin.value), bin.n, metric(bin.best)],
                    `${metric(bin.mean)}${bin.ci95 === null ? '' : ` ± ${metric(bin.ci95)}`}`,
                  ],
                }))}
              />
            </Figure>
          </section>
        ))
      }}
    </Shown>
  )
}

const CURVES_SHOWN = 40

/** How the models learnt: the best in its own colour, the others behind it. */
export function Curves({ campaign }: TabProps) {
  const analysis = useLive(`curves ${campaign.id}`, analysisOf(campaign.id, 'curves'), {
    topics: [`campaign:${campaign.id}`],
  })
  return (
    <Shown from={analysis} what="the curves">
      {({ curves }) => {
        const best = curves?.curves[0]
        if (curves === undefined || best === undefined) return <Empty>No finished run yet.</Empty>
        const shown = curves.curves.slice(0, CURVES_SHOWN)
        const lines = shown.map(({ rank, value, points }, i) => ({
          label: i === 0 ? `best, ${metric(value)}` : `rank ${rank}`,
          points: points.flatMap((p): [number, number][] => (p.train === null ? [] : [[p.update, p.train]])),
          token: i === 0 ? 'champion' : 'ink-3',
          width: i === 0 ? 2 : 0.5,
        }))
        return (
          <LineChart
            name="curves"
            lines={[...lines.slice(1), ...lines.slice(0, 1)]}
            x="updates"
            y="training loss"
            height={360}
            sentence={`Training loss of ${shown.length} of ${curves.n} experiments, the best one in colour.`}
          />
        )
      }}
    </Shown>
  )
}
