import { type Leaderboard, Leaderboard as LeaderboardSchema } from '#protocol/campaign.ts'
import { HostView } from '#protocol/host.ts'
import type { Grid } from '../grid.ts'

const began = performance.now()

/** One line of the story, with the seconds since it began. */
export function say(text: string): void {
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`)
}

/** What became of the host that lied, from its public page. */
export async function sayOfLiar(grid: Grid, hostId: string): Promise<void> {
  const { name, state, results, grantedMilli } = await grid.get(`/api/v1/hosts/${hostId}`, HostView)
  say(
    `${name} is ${state}: ${results.invalid} of its numbers did not stand, ${grantedMilli / 1000} credits earned.`,
  )
}

/** How many rows of the board are shown; the baselines stand among them wherever they belong. */
const ROWS_SHOWN = 8

/** The leaderboard, best first, with the data set's baselines at their places. */
export async function leaderboardText(
  grid: Grid,
  campaignId: string,
): Promise<{ board: Leaderboard; text: string }> {
  const board = await grid.get(`/api/v1/campaigns/${campaignId}/leaderboard`, LeaderboardSchema)
  const runs = board.rows.slice(0, ROWS_SHOWN).map(row => ({
    value: row.mean ?? Number.POSITIVE_INFINITY,
    cells: [row.mean?.toFixed(4) ?? '—', String(row.n), recipeText(row.recipe)],
  }))
  const baselines = board.baselines.map(({ name, value }) => ({
    value,
    cells: [value.toFixed(4), '', `baseline: ${name}`],
  }))
  const sign = board.metric.goal === 'minimize' ? 1 : -1
  const rows = [...runs, ...baselines].sort((a, b) => sign * (a.value - b.value))
  const lines = rows.map(
    ({ cells: [metric = '', n = '', what = ''] }) =>
      `        ${metric.padStart(8)} ${n.padStart(4)}   ${what}`,
  )
  return {
    board,
    text: [`        ${board.metric.name.padStart(8)} ${'n'.padStart(4)}   recipe`, ...lines].join('\n'),
  }
}

/** Only what the campaign varies: the rest is the same in every row. */
const VARIED = ['lr', 'width', 'depth']

export const recipeText = (recipe: Leaderboard['rows'][number]['recipe']): string =>
  VARIED.map(name => `${name} ${recipe[name]}`).join(' · ')
