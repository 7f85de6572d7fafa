import type { ExploreView } from '#protocol/explore.ts'
import { csv, save, type Twin, TwinTable } from '../charts/figure.tsx'
import { metric as metricText, setting } from '../format.ts'
import { query } from '../router.ts'
import { Empty } from '../ui/parts.tsx'
import { Table, type TableRow } from '../ui/table.tsx'
import { Heat, Lines, Scatter } from './explore-charts.tsx'
import { groupsTwin, parametersOf, type Runs, runsTwin } from './explore-rows.ts'

export const VIEWS = ['table', 'scatter', 'lines', 'heat'] as const
/** What was found, as the address wants to see it, and as files. */
export function ExploreResult({ of: view }: { of: ExploreView }) {
  const as = VIEWS.find(name => name === query.value.get('as')) ?? 'table'
  if (view.matched === 0) return <Empty>No run fits. Fewer conditions find more.</Empty>
  const twin = view.groups === null ? runsTwin(view.runs ?? []) : groupsTwin(view.groups)
  return (
    <>
      {as === 'scatter' && <Scatter of={view} />}
      {as === 'lines' && <Lines of={view} />}
      {as === 'heat' && <Heat of={view} />}
      {as === 'table' &&
        (view.groups === null ? (
          <RunTable runs={view.runs ?? []} />
        ) : (
          <TwinTable label="Groups" of={twin} shown={shown} />
        ))}
      <p class="row">
        <button type="button" onClick={() => save('runs.csv', csv(twin))}>
          CSV
        </button>
        <button type="button" onClick={() => void saveParquet(twin)}>
          Parquet
        </button>
        <span class="meta">of what is loaded: {twin.rows.length} rows</span>
      </p>
    </>
  )
}

// The writer is loaded by who wants it.
async function saveParquet({ columns, rows }: Twin): Promise<void> {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const columnData = columns.map((name, i) => {
    const data = rows.map(row => row[i] ?? null)
    const isNumber = data.every(cell => cell === null || typeof cell === 'number')
    return isNumber
      ? { name, data, type: 'DOUBLE' as const, nullable: true }
      : {
          name,
          data: data.map(cell => (cell === null ? null : String(cell))),
          type: 'STRING' as const,
          nullable: true,
        }
  })
  save('runs.parquet', parquetWriteBuffer({ columnData }), 'application/vnd.apache.parquet')
}

const shown = (cell: string | number, column: string): string =>
  ['median', 'mean', 'sd', 'min', 'max'].includes(column) && typeof cell === 'number'
    ? metricText(cell)
    : setting(cell)

function RunTable({ runs }: { runs: Runs }) {
  const parameters = parametersOf(runs)
  const row = (i: number): TableRow => {
    const run = runs[i]
    if (run === undefined) return { key: i, cells: [] }
    return {
      key: run.workUnitId,
      cells: [
        <a key="e" href={`/e/${run.experimentId}`}>
          {run.experimentId.slice(0, 8)}…{run.experimentId.slice(-4)}
        </a>,
        run.metric === null ? run.status : metricText(run.metric),
        ...parameters.map(name => setting(run.recipe[name] ?? '—')),
        run.seed,
        <a key="c" href={`/c/${run.campaignId}`}>
          {run.campaignId.slice(-6)}
        </a>,
      ],
    }
  }
  return (
    <Table
      label="Runs"
      columns={[
        'run',
        ...['metric', ...parameters, 'seed'].map(name => ({ name, isNumber: true })),
        'campaign',
      ]}
      rows={{ count: runs.length, row }}
    />
  )
}
