import type { AnalysisView } from '#protocol/analysis.ts'
import type { ResultView } from '#protocol/campaign.ts'
import type { ExperimentView } from '#protocol/experiments.ts'
import { experimentPath } from '#protocol/first.ts'
import { bandOf } from '../charts/band.ts'
import { type Line, LineChart } from '../charts/line.tsx'
import { get, useResource } from '../data.ts'
import { interval, metric, setting, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { changesOf } from '../recipes.ts'
import { useTitle } from '../title.ts'
import { NoteItem } from '../ui/note.tsx'
import { Figures, Shown, State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'
import { Results } from './experiment-results.tsx'

/** One configuration: what it reached, how it learnt, where it came from, and every result of it. The id may be a result's, too. */
export function ExperimentPage({ id }: { id: string }) {
  const view = useLive(`experiment ${id}`, () => loadExperiment(id), {
    topics: id.startsWith('e_') ? [`experiment:${id}`] : [],
    everyMs: 15_000,
  })
  return (
    <Shown from={view} what="the experiment">
      {experiment => <Experiment of={experiment} />}
    </Shown>
  )
}

async function loadExperiment(id: string): Promise<ExperimentView> {
  const own = id.startsWith('e_') ? id : (await get<ResultView>(`/results/${id}`)).experimentId
  return get<ExperimentView>(experimentPath(own))
}

interface Props {
  readonly of: ExperimentView
}

function Experiment({ of: view }: Props) {
  const { experimentId, campaign, metric: measured, value, rank, proposer } = view
  useTitle(`${campaign.title}: ${value === null ? 'no value yet' : metric(value.mean)}`)
  const origin = view.lineage.at(-2) ?? view.lineage[0]
  const changed = origin === undefined ? '' : changesOf(origin.recipe, view.recipe)
  return (
    <>
      <a href={`/c/${campaign.id}`}>‹ {campaign.title}</a>
      <h1>{changed === '' ? (view.baseline ? 'The unchanged recipe' : 'An experiment') : changed}</h1>
      <p class="meta">
        <span class="mono">{experimentId}</span> · {campaign.kernel} · {campaign.data} · number{' '}
        {whole(view.ordinal + 1)} of its campaign, proposed
        {proposer !== null && ` by ${proposer}`} under{' '}
        <a href={`/c/${campaign.id}?tab=revisions&revision=${view.revision}`}>revision {view.revision}</a>
      </p>
      {view.withheld && (
        <p class="notice">
          It may lead: what it reached is told once the verifier has computed every run behind it again.
        </p>
      )}
      <Figures
        of={[
          [`${measured.name}, 95 %`, value === null ? '—' : interval(value)],
          ['seeds', value === null ? '0' : whole(value.n)],
          ['rank', rank === null ? '—' : `${whole(rank.place)} of ${whole(rank.of)}`],
          ['results', whole(view.runs.reduce((sum, run) => sum + run.results.length, 0))],
        ]}
      />
      <Curves of={view} />
      <Lineage of={view} />
      <Results of={view} />
      <Notes of={view} />
      <section class="facts">
        <h2>Recipe</h2>
        <Table
          label="Recipe"
          columns={[
            { name: 'parameter', heads: true },
            { name: 'value', isNumber: true },
          ]}
          rows={Object.entries(view.recipe).map(([name, of]) => ({ key: name, cells: [name, setting(of)] }))}
        />
      </section>
    </>
  )
}

const [LOW, HIGH] = ['lower quartile of others', 'upper quartile of others']

/** The curves of all its seeds over the middle half of the campaign's. */
function Curves({ of: { campaign, runs, experimentId } }: Props) {
  const others = useResource(`curves behind ${campaign.id}`, () =>
    get<AnalysisView>(`/campaigns/${campaign.id}/analysis?part=curves`),
  )
  const own = runs.filter(run => run.curve.length > 1)
  if (own.length === 0) return null
  const end = Math.max(...own.flatMap(run => run.curve.map(point => point.update)))
  const found = others.now.value
  const curves = found.state === 'ready' ? (found.value.curves?.curves ?? []) : []
  const band = bandOf(curves.filter(curve => curve.experimentId !== experimentId).map(trainOf), end)
  const isBanded = band.median.length > 1
  const quiet = { token: 'ink-3', width: 0 }
  const lines: Line[] = [
    ...(isBanded
      ? [
          { ...quiet, label: LOW, points: band.low },
          { ...quiet, label: HIGH, points: band.high },
        ]
      : []),
    ...own.map(
      (run, i): Line => ({
        label: `seed ${run.seedIndex}${run.rung < LAST_RUNG ? ', stopped early' : ''}`,
        points: trainOf({ points: run.curve }),
        token: `series-${1 + (i % SERIES)}`,
        ...(i < SERIES ? {} : { dash: [4, 2 + i / SERIES] }),
      }),
    ),
  ]
  const between = { label: 'half of the others', low: LOW, high: HIGH, token: 'ink-3' }
  return (
    <section>
      <h2>How it learnt</h2>
      <LineChart
        name="curves"
        lines={lines}
        {...(isBanded ? { between } : {})}
        x="updates"
        y="training loss"
        height={300}
        sentence={`Training loss of ${own.length} ${own.length === 1 ? 'run' : 'runs'}, each with its own seed${isBanded ? `; the band holds half of ${curves.length} other curves of the campaign` : ''}.`}
      />
    </section>
  )
}

const SERIES = 6
const LAST_RUNG = 3

const trainOf = ({ points }: { points: ExperimentView['runs'][number]['curve'] }): [number, number][] =>
  points.flatMap((point): [number, number][] => (point.train === null ? [] : [[point.update, point.train]]))

/** Where it came from, and what came of the tests that it stood in. */
function Lineage({ of: { lineage, tests } }: Props) {
  if (lineage.length < 2 && tests.length === 0) return null
  return (
    <section>
      <h2>Where it comes from</h2>
      {lineage.length > 1 && (
        <ol class="lineage">
          {lineage.map(({ experimentId, recipe }, i) => {
            const before = lineage[i - 1]
            const words = before === undefined ? 'the unchanged recipe' : changesOf(before.recipe, recipe)
            return (
              <li key={experimentId}>
                {i === lineage.length - 1 ? (
                  <strong>{words}</strong>
                ) : (
                  <a href={`/e/${experimentId}`}>{words}</a>
                )}
              </li>
            )
          })}
        </ol>
      )}
      {tests.length > 0 && (
        <Table
          label="Tests"
          columns={['test', 'as', 'against', 'state', { name: 'gain, 95 %', isNumber: true }]}
          rows={tests.map(test => ({
            key: test.number,
            cells: [
              test.number,
              test.side,
              <a key="o" href={`/e/${test.other.experimentId}`}>
                {changesOf(lineage.at(-1)?.recipe ?? {}, test.other.recipe)}
              </a>,
              <State key="s" of={test.state} />,
              test.gain === null ? '—' : `${interval(test.gain)} n=${test.gain.n}`,
            ],
          }))}
        />
      )}
    </section>
  )
}

function Notes({ of: { notes } }: Props) {
  if (notes.length === 0) return null
  return (
    <section>
      <h2>Notes</h2>
      <ul class="items">
        {notes.map(note => (
          <NoteItem key={note.id} of={note} />
        ))}
      </ul>
    </section>
  )
}
