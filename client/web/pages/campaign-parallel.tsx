import { useMemo } from 'preact/hooks'
import type { AnalysisView } from '#protocol/analysis.ts'
import type { CampaignView } from '#protocol/campaign.ts'
import { VIEW_PATHS } from '#protocol/first.ts'
import { axisOf } from '../charts/axes.ts'
import { Figure } from '../charts/figure.tsx'
import { Parallel } from '../charts/parallel.tsx'
import { get } from '../data.ts'
import { metric, setting, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { query, setQuery } from '../router.ts'
import { cellOf, filterOf, type Row } from '../runs-filter.ts'
import { Empty, Shown } from '../ui/parts.tsx'
import { Table, type TableRow } from '../ui/table.tsx'

type Points = NonNullable<AnalysisView['points']>

/** Every finished experiment as a line and as a row; the filter in the address picks from both. */
export function ParallelTab({ campaign: { id, metric: measured } }: { campaign: CampaignView }) {
  const analysis = useLive(`points ${id}`, () => get<AnalysisView>(VIEW_PATHS.parallel(id)), {
    topics: [`campaign:${id}`],
  })
  return (
    <Shown from={analysis} what="the experiments">
      {({ points }) =>
        points === undefined || points.value.length === 0 ? (
          <Empty>No finished experiment yet.</Empty>
        ) : (
          <All of={points} metricName={measured.name} />
        )
      }
    </Shown>
  )
}

function All({ of: points, metricName }: { of: Points; metricName: string }) {
  const text = query.value.get('q') ?? ''
  const rows = useMemo(() => rowsOf(points), [points])
  const axes = useMemo(() => axesOf(points, metricName), [points, metricName])
  const test = filterOf(text)
  const fits = useMemo(() => rows.map(row => test?.(row) ?? true), [rows, text])
  const shown = useMemo(() => rows.filter((_, i) => fits[i]), [rows, fits])
  const [best] = shown
  const names = Object.keys(points.parameters)
  return (
    <>
      <Filter text={text} isValid={test !== undefined} />
      <Figure
        name="experiments"
        sentence={`${whole(shown.length)} of ${whole(rows.length)} finished experiments fit${best === undefined ? '' : `; the best of them reaches ${metricName} ${metric(best.mean)}`}. Drag along an axis to pick a range, with Shift to add one, double-click to clear it.${points.leftOut === 0 ? '' : ` ${whole(points.leftOut)} more are not drawn.`}`}
        twin={() => ({
          columns: ['experiment', metricName, 'n', ...names],
          rows: shown.map(row => [
            row.experimentId,
            row.mean,
            row.n,
            ...names.map(name => cellOf(row, name)),
          ]),
        })}
      >
        <Parallel
          axes={axes}
          fits={fits}
          filter={text}
          onFilter={filter => setQuery({ q: filter })}
          label={`${whole(rows.length)} experiments across ${axes.map(axis => axis.name).join(', ')}; the filter above picks from them, the table below has the numbers`}
        />
      </Figure>
      <Table
        label="Experiments that fit"
        columns={['#', metricName, 'n', ...names].map(name => ({ name, isNumber: true }))}
        rows={{ count: shown.length, row: i => rowOf(shown[i], names) }}
      />
    </>
  )
}

const rowOf = (row: Row | undefined, names: readonly string[]): TableRow =>
  row === undefined
    ? { key: '', cells: [] }
    : {
        key: row.experimentId,
        cells: [
          whole(row.rank),
          <a key="e" href={`/e/${row.experimentId}`}>
            {metric(row.mean)}
          </a>,
          whole(row.n),
          ...names.map(name => setting(cellOf(row, name) ?? '')),
        ],
      }

/** The same as brushing, by keyboard. */
function Filter({ text, isValid }: { text: string; isValid: boolean }) {
  return (
    <search class="row">
      <label for="brush">Filter</label>
      <input
        id="brush"
        size={40}
        value={text}
        placeholder="lr>=0.001 lr<=0.01"
        aria-invalid={!isValid}
        onInput={event => setQuery({ q: event.currentTarget.value })}
      />
      <button type="button" disabled={text === ''} onClick={() => setQuery({ q: undefined })}>
        Clear
      </button>
      <span class="dim" role="status">
        {!isValid ? 'Conditions such as lr>0.001, mean<2, with spaces between.' : ''}
      </span>
    </search>
  )
}

function rowsOf({ experimentId, value, n, parameters }: Points): Row[] {
  const columns = Object.entries(parameters)
  return experimentId.map((id, i) => ({
    ...{ rank: i + 1, experimentId: id, mean: value[i] ?? null, ci95: null, n: n[i] ?? 0 },
    recipe: Object.fromEntries(
      columns.flatMap(([name, values]) => (values[i] == null ? [] : [[name, values[i]]])),
    ),
  }))
}

// `mean` is what the filter calls the metric.
const axesOf = (points: Points, metricName: string) => [
  ...Object.entries(points.parameters).map(([name, values]) => axisOf(name, values)),
  { ...axisOf('mean', points.value), title: metricName },
]
