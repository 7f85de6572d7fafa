import type { ScienceBoard, ScienceList, ScienceRow } from '#protocol/science.ts'
import { Csv, type Twin } from '../charts/figure.tsx'
import { scaleOf, WhiskerMark } from '../charts/whisker.tsx'
import { get } from '../data.ts'
import { ago, metric, setting, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { query, setQuery } from '../router.ts'
import { Empty, Shown } from '../ui/parts.tsx'
import { Table, type TableRow } from '../ui/table.tsx'

/** The best configurations of each kernel over all campaigns, with the baselines on the same list. */
export function Science() {
  const kernel = query.value.get('kernel') ?? ''
  const after = query.value.get('after')
  const asked = new URLSearchParams({
    ...{ limit: '5', rows: '10' },
    ...(kernel === '' ? {} : { kernel }),
    ...(after === null ? {} : { after }),
  })
  const list = useLive(`science ${asked}`, () => get<ScienceList>(`/science?${asked}`), {
    ...{ topics: [], everyMs: 30_000 },
  })
  return (
    <>
      <p>
        Whole runs that are public and final, over all campaigns. Only what ran the same kernel on the same
        data within the same budget stands on one list. Means are over seeds, ± is their 95 % confidence
        interval.
      </p>
      <Shown from={list} what="the leaderboards">
        {({ boards, nextAfter }) => (
          <>
            {kernel !== '' && (
              <p>
                Only {kernel}. <a href="/top?board=science">All kernels</a>
              </p>
            )}
            {boards.length === 0 && <Empty>No whole run is public yet.</Empty>}
            {boards.map(board => (
              <Board key={board.id} of={board} alone={kernel !== ''} />
            ))}
            {nextAfter !== null && (
              <button type="button" onClick={() => setQuery({ after: nextAfter })}>
                More leaderboards
              </button>
            )}
          </>
        )}
      </Shown>
    </>
  )
}

type Line = { readonly at: number } & (
  | { readonly type: 'row'; readonly row: ScienceRow }
  | { readonly type: 'baseline'; readonly name: string }
)

/** Configurations and baselines in one order, the best first. */
function linesOf({ metric: { goal }, rows, baselines }: ScienceBoard): Line[] {
  const sign = goal === 'minimize' ? 1 : -1
  const lines: Line[] = [
    ...rows.map(row => ({ type: 'row' as const, at: row.mean, row })),
    ...baselines.map(({ name, value }) => ({ type: 'baseline' as const, at: value, name })),
  ]
  // Who diverged with some seed ranks below all who never did.
  const last = (line: Line): number => Number(line.type === 'row' && line.row.diverged > 0)
  return lines.sort((a, b) => last(a) - last(b) || sign * (a.at - b.at))
}

const budgetOf = ({ limit }: ScienceBoard): string =>
  'fuel' in limit ? `${whole(limit.fuel / 1e9)} Gfuel` : `${whole(limit.updates)} updates`

const proposedBy = ({ baseline, found }: ScienceRow): string =>
  baseline ? 'unchanged recipe' : (found.proposer ?? 'the sampler')

function Board({ of: board, alone }: { of: ScienceBoard; alone: boolean }) {
  const lines = linesOf(board)
  const names = [...new Set(board.rows.flatMap(({ recipe }) => Object.keys(recipe)))]
  const varied = names.filter(name => new Set(board.rows.map(({ recipe }) => recipe[name])).size > 1)
  const span = spanOf(lines)
  return (
    <section>
      <h2>
        {board.kernel} on {board.data}, {budgetOf(board)}
      </h2>
      <p class="dim">
        {board.metric.name}, {board.metric.goal === 'minimize' ? 'lower' : 'higher'} is better · engine{' '}
        {board.engineClass}
        {board.waiting > 0 && ` · ${board.waiting} more wait for the verifier`}
        {!board.complete && ` · ranked by the best ${whole(board.lookedAt)} runs`} ·{' '}
        {!alone && (
          <a href={`/top?board=science&kernel=${encodeURIComponent(board.kernel)}`}>only this kernel</a>
        )}{' '}
        <Csv name={`xeenet-science-${board.id}`} twin={() => twinOf(board, lines, varied)} />
      </p>
      <Table
        label={`Leaderboard of ${board.kernel} on ${board.data}, ${budgetOf(board)}`}
        columns={[
          ...['#', board.metric.name, '±', 'n', ...varied].map(name => ({ name, isNumber: true })),
          ...['checked', 'found', 'by'],
        ]}
        rows={lines.map(line =>
          line.type === 'baseline'
            ? baselineRow(line, varied, span)
            : configurationRow(line.row, varied, span),
        )}
      />
    </section>
  )
}

const baselineRow = (
  { name, at }: Line & { type: 'baseline' },
  varied: readonly string[],
  span: Scale,
): TableRow => ({
  key: name,
  cells: [
    <span key="n" class="dim">
      {name}
    </span>,
    metric(at),
    <WhiskerMark
      key="w"
      of={{ mean: at, ci95: null, best: null }}
      scale={span}
      width={WIDTH}
      token="ink-3"
    />,
    ...['', ...varied.map(() => ''), 'not trained', '', 'baseline'],
  ],
})

function configurationRow(row: ScienceRow, varied: readonly string[], span: Scale): TableRow {
  const { found } = row
  return {
    key: found.experimentId,
    cells: [
      row.place ?? '',
      <a key="e" href={`/e/${found.experimentId}`}>
        {metric(row.mean)}
      </a>,
      <span key="w" class="nowrap">
        <WhiskerMark
          of={{ mean: row.mean, ci95: row.ci95, best: null }}
          scale={span}
          width={WIDTH}
          token={row.baseline ? 'ink-3' : 'accent'}
        />{' '}
        <span class="dim">{row.ci95 === null ? '' : metric(row.ci95)}</span>
      </span>,
      `${row.n}${row.diverged > 0 ? ` (${row.diverged} diverged)` : ''}`,
      ...varied.map(name => setting(row.recipe[name] ?? '')),
      row.rerun ? (
        <span key="r" class="tag">
          re-run exactly
        </span>
      ) : (
        'two machines agreed'
      ),
      <>
        <a href={`/c/${found.campaignId}`}>{found.title}</a>{' '}
        <span class="dim nowrap">{ago(found.at, Date.now())}</span>
      </>,
      <>
        {proposedBy(row)}
        {found.owner !== null && <span class="dim"> · {found.owner}</span>}
      </>,
    ],
  }
}

const twinOf = (board: ScienceBoard, lines: readonly Line[], varied: readonly string[]): Twin => ({
  columns: [
    'place',
    board.metric.name,
    'ci95',
    'n',
    'diverged',
    ...varied,
    'rerun',
    'campaign',
    'experiment',
    'result',
    'by',
  ],
  rows: lines.map(line =>
    line.type === 'baseline'
      ? [
          null,
          line.at,
          null,
          null,
          null,
          ...varied.map(() => null),
          null,
          null,
          null,
          null,
          `baseline ${line.name}`,
        ]
      : [
          ...[line.row.place, line.row.mean, line.row.ci95, line.row.n, line.row.diverged],
          ...varied.map(name => {
            const value = line.row.recipe[name]
            return typeof value === 'boolean' ? String(value) : (value ?? null)
          }),
          ...[
            String(line.row.rerun),
            line.row.found.campaignId,
            line.row.found.experimentId,
            line.row.resultId,
          ],
          proposedBy(line.row),
        ],
  ),
})

type Scale = readonly [number, number]

const spanOf = (lines: readonly Line[]): Scale =>
  scaleOf(
    lines.map(line => ({
      mean: line.at,
      ci95: line.type === 'row' ? line.row.ci95 : null,
      best: null,
    })),
  ) ?? [0, 1]

const WIDTH = 120
