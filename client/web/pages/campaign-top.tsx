import type { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import { get } from '../data.ts'
import { interval, metric, recipeLine } from '../format.ts'
import { useLive } from '../live.ts'
import { Shown } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

const SHOWN = 5

/** The best recipes, what they were tried with, and what models that only count reach. */
export function Top({ campaign: { id, varies } }: { campaign: CampaignView }) {
  const board = useLive(`top ${id}`, () => get<Leaderboard>(`/campaigns/${id}/leaderboard?limit=${SHOWN}`), {
    topics: [`campaign:${id}`],
  })
  return (
    <Shown from={board} what="the best">
      {({ rows, baselines, metric: measured }) =>
        rows.length === 0 ? null : (
          <section>
            <h2>The best {SHOWN}</h2>
            <Table
              label="The best"
              columns={[
                { name: '#', isNumber: true },
                { name: `${measured.name}, 95 %`, isNumber: true },
                { name: 'n', isNumber: true },
                'recipe',
              ]}
              rows={rows.map((row, i) => ({
                key: row.experimentId,
                cells: [
                  i + 1,
                  <a key="e" href={`/e/${row.experimentId}`}>
                    {row.mean === null ? 'diverged' : interval({ mean: row.mean, ci95: row.ci95 })}
                  </a>,
                  row.n,
                  `${row.baseline ? 'unchanged: ' : ''}${recipeLine(pick(row.recipe, varies))}`,
                ],
              }))}
            />
            <p class="meta">
              <a href={`/c/${id}?tab=runs`}>All experiments</a>
              {baselines.length > 0 &&
                ` · for comparison: ${baselines.map(({ name, value }) => `${name} ${metric(value)}`).join(' · ')}`}
            </p>
          </section>
        )
      }
    </Shown>
  )
}

const pick = (recipe: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.filter(name => Object.hasOwn(recipe, name)).map(name => [name, recipe[name]]))
