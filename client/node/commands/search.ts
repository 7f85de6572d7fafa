import type { Command } from 'commander'
import { z } from 'zod'
import { SearchView } from '#protocol/search.ts'
import { OUTSIDE } from '#protocol/space.ts'
import { askBoth } from '#runtime/api.ts'
import { contextOf, options } from '../options.ts'
import { recipeText } from '../tables.ts'
import { campaignPath } from '../verb.ts'

/** `xeenet campaign search ID`: what its sampler knows. */
export async function showSearch(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { limit } = options(z.object({ limit: z.string().optional() }), command)
  const query = limit === undefined ? '' : `?${new URLSearchParams({ limit })}`
  const asked = { method: 'GET', path: `${campaignPath(id)}/search${query}` } as const
  const { reply, text } = await askBoth(endpoint, SearchView, asked)
  talk.data(talk.json ? text : searchLines(reply).join('\n'))
}

function searchLines({ sampler, metric, goal, experiments, ...view }: SearchView): string[] {
  const { planned, created, ...counts } = experiments
  const parts = Object.entries(counts).flatMap(([name, n]) => (n > 0 ? [`${n} ${name}`] : []))
  return [
    `${sampler}: ${goal} ${metric}; ${[`${created} of ${planned} created`, ...parts].join(', ')}`,
    ...(view.proposers ?? []).map(({ name, tried, pending, promoted, share }) => {
      const waiting = name === OUTSIDE ? `, ${view.waiting ?? 0} waiting` : ''
      return `proposer ${name}  ${Math.round(share * 100)} % of what comes next  ${promoted} promoted of ${tried} tried, ${pending} pending${waiting}`
    }),
    ...view.best.map(row => `best     ${row.ordinal}  ${row.value}  ${recipeText(row.values)}`),
    ...view.parameters.map(({ name, covered, bestQuarter, importance }) => {
      const share = importance === null ? '' : `  importance ${importance}`
      return `explored ${name}  ${Math.round(covered * 100)} %${share}  best quarter: ${bestQuarter.join(' … ') || '—'}`
    }),
    ...view.pending.map(row => `pending  ${row.ordinal}  ${recipeText(row.values)}`),
    ...view.failures.map(row => `${row.outcome.padEnd(8)} ${row.ordinal}  ${recipeText(row.values)}`),
  ]
}
