import { useComputed } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import { BOARD_ROWS_FIRST, boardPath, VIEW_PATHS } from '#protocol/first.ts'
import { ANALYSIS_POINTS_MAX } from '#protocol/limits.ts'
import { get, type Resource } from '../data.ts'
import { metric, setting, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { query, setQuery } from '../router.ts'
import { cellOf, filterOf, type Row, sorted } from '../runs-filter.ts'
import { command } from '../ui/command.tsx'
import { Empty, Shown } from '../ui/parts.tsx'
import { Table, type TableRow } from '../ui/table.tsx'

/** The experiments of a campaign; filter and order stand in the address. */
export function Runs({ campaign: { id, experiments } }: { campaign: CampaignView }) {
  const text = query.value.get('q') ?? ''
  const fits = filterOf(text)
  return (
    <>
      <search class="row">
        <label for="filter">Filter</label>
        <input
          id="filter"
          size={32}
          value={text}
          placeholder="lr>0.001 width=64"
          aria-invalid={fits === undefined}
          onInput={event => setQuery({ q: event.currentTarget.value })}
        />
        <span class="dim" role="status">
          {fits === undefined ? 'Conditions such as lr>0.001, mean<2, width=64, with spaces between.' : ''}
        </span>
      </search>
      <Rows id={id} text={text} created={experiments.created} />
    </>
  )
}

interface RowsProps {
  readonly id: string
  readonly text: string
  readonly created: number
}

/** The first rows at once; where there are more, all of them as soon as they are there. */
function Rows({ id, text, created }: RowsProps) {
  const first = useLive(`board ${id}`, () => get<Leaderboard>(VIEW_PATHS.runs(id)), {
    topics: [`campaign:${id}`],
  })
  const now = first.now.value
  const isAll = now.state === 'ready' && now.value.rows.length + now.value.waiting < BOARD_ROWS_FIRST
  return now.state === 'ready' && !isAll ? (
    <AllRows first={first} id={id} text={text} created={created} />
  ) : (
    <Shown from={first} what="the experiments">
      {shown => <Board of={shown} text={text} created={created} />}
    </Shown>
  )
}

function AllRows({ first, id, text, created }: RowsProps & { readonly first: Resource<Leaderboard> }) {
  const all = useLive(`whole board ${id}`, () => get<Leaderboard>(boardPath(id, ANALYSIS_POINTS_MAX)), {
    topics: [`campaign:${id}`],
  })
  return (
    <Shown from={all.now.value.state === 'ready' ? all : first} what="the experiments">
      {shown => <Board of={shown} text={text} created={created} />}
    </Shown>
  )
}

interface BoardProps {
  readonly of: Leaderboard
  /** The filter; one that is none lets everything through. */
  readonly text: string
  readonly created: number
}

type Ranked = Leaderboard['rows'][number] & Row

function Board({ of: board, text, created }: BoardProps) {
  const by = useComputed(() => query.value.get('sort') ?? 'rank').value
  const ranked = useMemo(() => board.rows.map((row, i): Ranked => ({ ...row, rank: i + 1 })), [board])
  const varied = useMemo(() => variedIn(ranked), [ranked])
  // Ordered once, however often it is filtered.
  const ordered = useMemo(() => (by === 'rank' ? ranked : sorted(ranked, by)), [ranked, by])
  const rows = useMemo(() => ordered.filter(filterOf(text) ?? (() => true)), [ordered, text])
  if (ranked.length === 0) return <Empty>No experiment has a value yet.</Empty>
  const seen = ranked.length + board.waiting
  const heads = [
    ['rank', '#'],
    ['mean', board.metric.name],
    ['ci95', '±'],
    ['n', 'n'],
  ] as const
  return (
    <>
      <p class="dim">
        {whole(rows.length)} of {whole(ranked.length)} with a value, of {whole(created)} created
        {board.rows.some(row => row.baseline) && ' and the unchanged recipe'}
        {(seen === BOARD_ROWS_FIRST || seen === ANALYSIS_POINTS_MAX) && '; the best ones, others may follow'}
        {board.waiting > 0 && `; ${board.waiting} more would be among the first and wait for the verifier`}.{' '}
        {board.baselines.length > 0 &&
          `For comparison: ${board.baselines.map(({ name, value }) => `${name} ${metric(value)}`).join(' · ')}`}
      </p>
      <Table
        label="Experiments"
        order={{ by, onOrder: next => setQuery({ sort: next === 'rank' ? undefined : next }) }}
        columns={[
          ...heads.map(([name, title]) => ({ name, title, isNumber: true, sorts: true })),
          ...varied.map(name => ({ name, isNumber: true, sorts: true })),
          'reproduce',
        ]}
        rows={{ count: rows.length, row: i => rowOf(rows[i], varied) }}
      />
    </>
  )
}

function variedIn(rows: readonly Ranked[]): string[] {
  const parameters = [...new Set(rows.flatMap(row => Object.keys(row.recipe)))]
  return parameters.filter(name => new Set(rows.map(row => cellOf(row, name))).size > 1)
}

const rowOf = (row: Ranked | undefined, varied: readonly string[]): TableRow =>
  row === undefined
    ? { key: '', cells: [] }
    : {
        key: row.experimentId,
        cells: [
          whole(row.rank),
          <Value key="v" of={row} />,
          row.ci95 === null ? '' : metric(row.ci95),
          whole(row.n),
          ...varied.map(name => setting(cellOf(row, name) ?? '')),
          row.resultId !== null && <code key="r">{command(`repro ${row.resultId}`)}</code>,
        ],
      }

const Value = ({ of: row }: { of: Ranked }) => (
  <>
    {row.baseline && <span class="tag">unchanged</span>}{' '}
    {row.exactness === 'not_rerun' && (
      <span class="tag" title={`computed by ${row.engines.join(', ')}`}>
        not re-run exactly
      </span>
    )}{' '}
    <a href={`/e/${row.experimentId}`}>{row.mean === null ? 'diverged' : metric(row.mean)}</a>
  </>
)
