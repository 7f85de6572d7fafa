import type { ScienceBoard, ScienceList, ScienceRow } from '#protocol/science.ts'
import { Csv, type Twin } from '../charts/figure.tsx'
import { get, useResource } from '../data.ts'
import { ago, metric, setting, whole } from '../format.ts'
import { query, setQuery } from '../router.ts'
import { Empty, Scroll, Shown } from '../ui/parts.tsx'

/** The best configurations of each kernel over all campaigns, with the baselines on the same list. */
export function Science() {
  const kernel = query.value.get('kernel') ?? ''
  const after = query.value.get('after')
  const asked = new URLSearchParams({
    ...{ limit: '5', rows: '10' },
    ...(kernel === '' ? {} : { kernel }),
    ...(after === null ? {} : { after }),
  })
  const list = useResource(`science ${asked}`, () => get<ScienceList>(`/science?${asked}`), 30_000)
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
  const span = scaleOf(lines)
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
      <Scroll label={`Leaderboard of ${board.kernel} on ${board.data}, ${budgetOf(board)}`}>
        <table>
          <thead>
            <tr>
              <th class="n">#</th>
              <th class="n">{board.metric.name}</th>
              <th class="n">±</th>
              <th class="n">n</th>
              {varied.map(name => (
                <th key={name} class="n">
                  {name}
                </th>
              ))}
              <th>checked</th>
              <th>found</th>
              <th>by</th>
            </tr>
          </thead>
          <tbody>
            {lines.map(line =>
              line.type === 'baseline' ? (
                <tr key={line.name} class="dim">
                  <td />
                  <td class="n">{metric(line.at)}</td>
                  <td class="n">
                    <Whisker at={line.at} half={0} span={span} token="ink-3" />
                  </td>
                  <td colSpan={varied.length + 4}>{line.name}: baseline, no training</td>
                </tr>
              ) : (
                <Configuration key={line.row.found.experimentId} of={line.row} varied={varied} span={span} />
              ),
            )}
          </tbody>
        </table>
      </Scroll>
    </section>
  )
}

interface ConfigurationProps {
  readonly of: ScienceRow
  readonly varied: readonly string[]
  readonly span: Span
}

function Configuration({ of: row, varied, span }: ConfigurationProps) {
  const { found } = row
  return (
    <tr>
      <td class="n">{row.place ?? ''}</td>
      <td class="n">
        <a href={`/e/${found.experimentId}`}>{metric(row.mean)}</a>
      </td>
      <td class="n nowrap">
        <Whisker at={row.mean} half={row.ci95 ?? 0} span={span} token={row.baseline ? 'ink-3' : 'accent'} />{' '}
        <span class="dim">{row.ci95 === null ? '' : metric(row.ci95)}</span>
      </td>
      <td class="n nowrap">
        {row.n}
        {row.diverged > 0 && ` (${row.diverged} diverged)`}
      </td>
      {varied.map(name => (
        <td key={name} class="n">
          {setting(row.recipe[name] ?? '')}
        </td>
      ))}
      <td class="nowrap">{row.rerun ? <span class="tag">re-run exactly</span> : 'two machines agreed'}</td>
      <td>
        <a href={`/c/${found.campaignId}`}>{found.title}</a>{' '}
        <span class="dim nowrap">{ago(found.at, Date.now())}</span>
      </td>
      <td>
        {proposedBy(row)}
        {found.owner !== null && <span class="dim"> · {found.owner}</span>}
      </td>
    </tr>
  )
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

interface Span {
  readonly low: number
  readonly high: number
}

function scaleOf(lines: readonly Line[]): Span {
  const ends = lines.flatMap(line => {
    const half = line.type === 'row' ? (line.row.ci95 ?? 0) : 0
    return [line.at - half, line.at + half]
  })
  return { low: Math.min(...ends), high: Math.max(...ends) }
}

const WIDTH = 120

/** A mean and its interval on the scale of its list; the figures stand beside it. */
function Whisker({ at, half, span, token }: { at: number; half: number; span: Span; token: string }) {
  const x = (value: number): number => 4 + ((WIDTH - 8) * (value - span.low)) / (span.high - span.low || 1)
  return (
    <svg
      aria-hidden="true"
      width={WIDTH}
      height="14"
      viewBox={`0 0 ${WIDTH} 14`}
      stroke={`var(--${token})`}
      fill={`var(--${token})`}
    >
      {half > 0 && (
        <path
          d={`M${x(at - half)} 7H${x(at + half)}M${x(at - half)} 4v6M${x(at + half)} 4v6`}
          stroke-width="1.5"
        />
      )}
      <circle cx={x(at)} cy="7" r="3" stroke="none" />
    </svg>
  )
}
