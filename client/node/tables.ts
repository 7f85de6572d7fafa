import type { CampaignView, Leaderboard, ValidateReply } from '#protocol/campaign.ts'
import type { Recipe } from '#protocol/job.ts'
import type { ScienceBoard } from '#protocol/science.ts'
import { credit } from './news.ts'

/** `lr=0.003 width=64`, keys in order. */
export const recipeText = (recipe: Recipe): string =>
  Object.keys(recipe)
    .sort()
    .map(name => `${name}=${recipe[name]}`)
    .join(' ')

export function quoteLines(reply: ValidateReply): string[] {
  const { spaceSize, quote, hostsMatching, coreHours, firstRuns } = reply
  const { restless } = quote
  const likely = quote.likelyMilli < quote.reserveMilli ? `, likely ${credit(quote.likelyMilli)}` : ''
  return [
    'valid',
    `space          ${spaceSize ?? 'unbounded'}`,
    `experiments    ${quote.experiments}`,
    `work units     ${quote.workUnits}`,
    `fuel planned   ${(quote.fuelPlanned / 1e9).toFixed(1)} Gfuel`,
    `price          ${credit(quote.priceMilliPerGfuel)} per Gfuel, ${Math.round(quote.checkingShare * 100)} % for checks`,
    `reserved       ${credit(quote.reserveMilli)} at most${likely}`,
    `core-hours     ${coreHours.most.toFixed(2)} at most, by ${speedText(coreHours)}`,
    `hosts          ${hostsMatching} seen in the last hour that may compute it`,
    ...(restless === undefined
      ? []
      : [`exact only     ${restless.recipes} of ${restless.of} recipes looked at: ${restless.because}`]),
    ...firstRuns
      .slice(0, 3)
      .map((plan, i) => `run ${i + 1}          ${recipeText(plan.recipe)} seed=${plan.seed}`),
  ]
}

const speedText = ({ gfuelPerCoreSecond, basis, n }: ValidateReply['coreHours']): string =>
  `${gfuelPerCoreSecond.toFixed(1)} Gfuel a core and second (${basis === 'measured' ? `median of ${n} results of this kernel` : 'assumed: this server has measured none yet'})`

export function campaignLines(view: CampaignView): string[] {
  const { workUnits, results, credit: account, best, metric } = view
  const failures = Object.entries(view.failures).map(([reason, n]) => `${n} ${reason}`)
  return [
    `${view.id}  ${view.state}  ${view.title}`,
    `kernel ${view.kernel}, data ${view.data}, ${metric.goal} ${metric.name}`,
    `work units: ${workUnits.valid} valid, ${workUnits.open} open, ${workUnits.failed} failed, ${workUnits.cancelled} cancelled`,
    `results: ${results.valid} valid, ${results.pending} pending, ${results.inProgress} in progress, ${results.unsent} unsent, ${results.invalid} invalid, ${results.error} error, ${results.noReply} no reply`,
    ...(failures.length === 0 ? [] : [`failed: ${failures.join(', ')}`]),
    `credit: ${credit(account.reservedMilli)} reserved, ${credit(account.grantedMilli)} granted, ${credit(account.refundedMilli)} returned`,
    best === null
      ? 'nothing published yet'
      : `best: ${metric.name} ${best.mean} (n=${best.n}) ${recipeText(best.recipe)}`,
  ]
}

/** Experiments best first, with the baselines where they belong. */
export function leaderboardLines({ metric, rows, waiting, baselines }: Leaderboard): string[] {
  const marked = rows.map(row => ({ ...row, marks: row.baseline ? ['unchanged (baseline)'] : [] }))
  return [
    `  # ${metric.name}`,
    ...rankedLines(metric.goal, marked, baselines),
    ...(waiting === 0 ? [] : [`    ${waiting} more may lead and wait for the verifier`]),
  ]
}

/** One leaderboard of a kernel: configurations best first over all campaigns, with the baselines where they belong. */
export function scienceLines(board: ScienceBoard): string[] {
  const { kernel, data, limit, engineClass, metric, rows, waiting, baselines } = board
  const budget = 'fuel' in limit ? `${limit.fuel / 1e9} Gfuel` : `${limit.updates} updates`
  const marked = rows.map(({ found, rerun, baseline, ...row }) => ({
    ...row,
    marks: [
      ...(baseline ? ['unchanged (baseline)'] : []),
      ...(rerun ? ['re-run exactly'] : []),
      ...(found.proposer === null ? [] : [`by ${found.proposer}`]),
      found.campaignId,
    ],
  }))
  return [
    `${board.id}  ${kernel} on ${data}, ${budget}, ${engineClass}`,
    `  # ${metric.name}`,
    ...rankedLines(metric.goal, marked, baselines),
    ...(waiting === 0 ? [] : [`    ${waiting} more wait for the verifier`]),
    ...(board.complete ? [] : [`    ranked by the best ${board.lookedAt} runs`]),
  ]
}

type RankedRow = Pick<
  Leaderboard['rows'][number],
  'recipe' | 'n' | 'mean' | 'ci95' | 'diverged' | 'resultId'
> & {
  readonly marks: readonly string[]
}

function rankedLines(
  goal: Leaderboard['metric']['goal'],
  rows: readonly RankedRow[],
  baselines: Leaderboard['baselines'],
): string[] {
  const sign = goal === 'minimize' ? 1 : -1
  // What varies is what the question is about; the rest would hide it.
  const varying = varyingNames(rows.map(row => row.recipe))
  const experiments = rows.map(row => {
    const spread = row.ci95 === null ? '       ' : ` ±${row.ci95.toFixed(4)}`
    const shown = Object.fromEntries(varying.map(name => [name, row.recipe[name] ?? '']))
    const marks = [
      ...(row.diverged > 0 ? [`${row.diverged} diverged`] : []),
      ...row.marks,
      row.resultId ?? '',
    ]
    const value = row.mean === null ? '  —   ' : row.mean.toFixed(4)
    return {
      at: row.mean,
      text: `${value}${spread}  n=${row.n}  ${[recipeText(shown), ...marks].join('  ')}`,
    }
  })
  const known = baselines.map(({ name, value }) => ({
    at: value,
    text: `${value.toFixed(4)}          —   ${name} (baseline)`,
  }))
  const order = (at: number | null): number => (at === null ? Number.POSITIVE_INFINITY : sign * at)
  const sorted = [...experiments, ...known].sort((a, b) => order(a.at) - order(b.at))
  return sorted.map(({ text }, i) => `${String(i + 1).padStart(3)} ${text}`)
}

function varyingNames(recipes: readonly Recipe[]): string[] {
  const names = [...new Set(recipes.flatMap(recipe => Object.keys(recipe)))].sort()
  const varying = names.filter(name => new Set(recipes.map(recipe => recipe[name])).size > 1)
  return varying.length > 0 ? varying : names
}
