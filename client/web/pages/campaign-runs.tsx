import { useComputed } from '@preact/signals'
import type { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import { get } from '../data.ts'
import { metric, setting } from '../format.ts'
import { useLive } from '../live.ts'
import { query, setQuery } from '../router.ts'
import { cellOf, filterOf, type Row, sorted } from '../runs-filter.ts'
import { Empty, Scroll, Shown } from '../ui/parts.tsx'

/** The experiments of a campaign; filter and order stand in the address. */
export function Runs({ campaign: { id, experiments } }: { campaign: CampaignView }) {
  const board = useLive(`board ${id}`, () => get<Leaderboard>(`/campaigns/${id}/leaderboard`), {
    topics: [`campaign:${id}`],
  })
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
      <Shown from={board} what="the experiments">
        {shown => <Board of={shown} fits={fits ?? (() => true)} created={experiments.created} />}
      </Shown>
    </>
  )
}

interface BoardProps {
  readonly of: Leaderboard
  readonly fits: (row: Row) => boolean
  readonly created: number
}

function Board({ of: board, fits, created }: BoardProps) {
  const ranked = board.rows.map((row, i) => ({ ...row, rank: i + 1 }))
  const by = useComputed(() => query.value.get('sort') ?? 'rank').value
  const rows = sorted(ranked.filter(fits), by)
  const parameters = [...new Set(board.rows.flatMap(row => Object.keys(row.recipe)))]
  const varied = parameters.filter(name => new Set(ranked.map(row => cellOf(row, name))).size > 1)
  if (ranked.length === 0) return <Empty>No experiment has a value yet.</Empty>
  return (
    <>
      <p class="dim">
        {rows.length} of {ranked.length} with a value, of {created} created
        {board.rows.some(row => row.baseline) && ' and the unchanged recipe'}
        {board.waiting > 0 && `; ${board.waiting} more would be among the first and wait for the verifier`}.{' '}
        {board.baselines.length > 0 &&
          `For comparison: ${board.baselines.map(({ name, value }) => `${name} ${metric(value)}`).join(' · ')}`}
      </p>
      <Scroll label="Experiments">
        <table>
          <thead>
            <tr>
              <Column name="rank" title="#" by={by} />
              <Column name="mean" title={board.metric.name} by={by} />
              <Column name="ci95" title="±" by={by} />
              <Column name="n" title="n" by={by} />
              {varied.map(name => (
                <Column key={name} name={name} title={name} by={by} />
              ))}
              <th>reproduce</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(row => (
              <tr key={row.experimentId}>
                <td class="n">{row.rank}</td>
                <td class="n">
                  {row.baseline && <span class="tag">unchanged</span>}{' '}
                  {row.exactness === 'not_rerun' && (
                    <span class="tag" title={`computed by ${row.engines.join(', ')}`}>
                      not re-run exactly
                    </span>
                  )}{' '}
                  <a href={`/e/${row.experimentId}`}>{row.mean === null ? 'diverged' : metric(row.mean)}</a>
                </td>
                <td class="n dim">{row.ci95 === null ? '' : metric(row.ci95)}</td>
                <td class="n">{row.n}</td>
                {varied.map(name => (
                  <td key={name} class="n">
                    {setting(cellOf(row, name) ?? '')}
                  </td>
                ))}
                <td class="nowrap">{row.resultId !== null && <code>xeenet repro {row.resultId}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </>
  )
}

function Column({ name, title, by }: { name: string; title: string; by: string }) {
  const order = by === name ? 'ascending' : by === `-${name}` ? 'descending' : 'none'
  const next = order === 'ascending' ? `-${name}` : name
  return (
    <th class="n" aria-sort={order}>
      <button type="button" onClick={() => setQuery({ sort: next === 'rank' ? undefined : next })}>
        {title}
        {order === 'ascending' ? ' ↑' : order === 'descending' ? ' ↓' : ''}
      </button>
    </th>
  )
}
