import type { ExploreView } from '#protocol/explore.ts'
import { csv, save, type Twin } from '../charts/figure.tsx'
import { metric as metricText, setting } from '../format.ts'
import { query } from '../router.ts'
import { Empty, Scroll } from '../ui/parts.tsx'
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
        (view.groups === null ? <RunTable runs={view.runs ?? []} /> : <TwinRows of={twin} />)}
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

function TwinRows({ of: { columns, rows } }: { of: Twin }) {
  return (
    <Scroll label="Groups">
      <table>
        <thead>
          <tr>
            {columns.map(column => (
              <th key={column} class="n">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              {row.map((cell, j) => (
                <td key={columns[j]} class="n">
                  {shown(columns[j] ?? '', cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

const shown = (column: string, cell: string | number | null): string =>
  cell === null
    ? '—'
    : ['median', 'mean', 'sd', 'min', 'max'].includes(column) && typeof cell === 'number'
      ? metricText(cell)
      : setting(cell)

// A table of more rows than anybody reads costs seconds; files and plots have them all, and the count says so.
const TABLE_ROWS = 500

function RunTable({ runs }: { runs: Runs }) {
  const parameters = parametersOf(runs)
  return (
    <>
      <Scroll label="Runs">
        <table>
          <thead>
            <tr>
              <th>run</th>
              <th class="n">metric</th>
              {parameters.map(name => (
                <th key={name} class="n">
                  {name}
                </th>
              ))}
              <th class="n">seed</th>
              <th>campaign</th>
            </tr>
          </thead>
          <tbody>
            {runs.slice(0, TABLE_ROWS).map(run => (
              <tr key={run.workUnitId}>
                <td>
                  <a href={`/e/${run.experimentId}`}>
                    {run.experimentId.slice(0, 8)}…{run.experimentId.slice(-4)}
                  </a>
                </td>
                <td class="n">{run.metric === null ? run.status : metricText(run.metric)}</td>
                {parameters.map(name => (
                  <td key={name} class="n">
                    {setting(run.recipe[name] ?? '—')}
                  </td>
                ))}
                <td class="n">{run.seed}</td>
                <td>
                  <a href={`/c/${run.campaignId}`}>{run.campaignId.slice(-6)}</a>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {runs.length > TABLE_ROWS && (
        <p class="meta">
          The table shows the newest {TABLE_ROWS}; the plots and files have all {runs.length}.
        </p>
      )}
    </>
  )
}
