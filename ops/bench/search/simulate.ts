import type { Pruner, SamplerFile } from '#protocol/space.ts'
import { plainValues } from '#search/expression.ts'
import type { Outcome, Report, Trial } from '#search/history.ts'
import { type Proposal, type Search, searchWith } from '#search/propose.ts'
import { samplerOf } from '#search/samplers/registry.ts'
import { climbersOf, goingOn, RUNGS } from '#search/scheduler.ts'
import { compileSpace } from '#search/search-space.ts'
import { streamOf } from '#search/stream.ts'
import { mixed, mixedAfter, type Problem } from './functions.ts'

export function searchFor(problem: Pick<Problem, 'space'>, sampler: SamplerFile): Search {
  const space = compileSpace({ space: problem.space })
  if (!space.ok) throw new Error(space.detail)
  const reply = samplerOf(space, problem.space, sampler)
  if (!reply.ok) throw new Error(reply.detail)
  return searchWith({
    space,
    arms: [{ name: sampler.name, sampler: reply.sampler }],
    seed: sampler.seed,
    goal: 'minimize',
    recipeOf: values => values,
  })
}

export function askOne(search: Search, trials: readonly Trial[], reports: readonly Report[]): Proposal {
  const reply = search.ask({ trials, reports }, 1)
  const [proposal] = reply.proposals
  if (!reply.ok || proposal === undefined) throw new Error(JSON.stringify(reply))
  return proposal
}

/** Simple regret after each of `count` trials, one after the other. */
export function regretsOf(problem: Problem, sampler: SamplerFile, count: number): number[] {
  const search = searchFor(problem, sampler)
  const trials: Trial[] = []
  const reports: Report[] = []
  let best = Infinity
  return Array.from({ length: count }, (_, ordinal) => {
    const { recipe, asked, values } = askOne(search, trials, reports)
    const value = problem.of(values)
    best = Math.min(best, value - problem.least)
    trials.push({ recipe, asked })
    reports.push({ ordinal, outcome: { state: 'finished', value } })
    return best
  })
}

export const UNITS_PER_RUN = 27
export const NOISE = 0.005

/**
 * The regret, without noise, of the trial that shows the least at the full limit, when `units` of 1/27 run are spent on
 * `mixed`, one run at a time: what a pruner lets go on first, else a new trial.
 */
export function regretWithin(
  { units, pruner }: { readonly units: number; readonly pruner: Pruner },
  sampler: SamplerFile,
): number {
  const search = searchFor(mixed, sampler)
  const noise = streamOf(sampler.seed, 2 ** 31)
  const trials: Trial[] = []
  const reports: Report[] = []
  let best = { shown: Infinity, regret: Infinity }
  for (let spent = 0; spent < units; ) {
    const climbers = climbersOf({ trials, reports }, 'minimize', new Set())
    const [ordinal = trials.length] = goingOn(pruner, climbers)
    const rung = climbers[ordinal]?.losses.length ?? 0
    if (rung === 0) {
      const { recipe, asked } = askOne(search, trials, reports)
      trials.push({ recipe, asked })
    }
    spent += unitsAt(rung) - unitsAt(rung - 1)
    if (spent > units) break
    const values = plainValues(trials[ordinal]?.recipe ?? {})
    const value = mixedAfter(values, unitsAt(rung)) + NOISE * noise.normal()
    const isLast = rung === RUNGS.length - 1
    const outcome: Outcome = isLast ? { state: 'finished', value } : { state: 'partial', rung, value }
    reports.push({ ordinal, outcome })
    if (isLast && value < best.shown) best = { shown: value, regret: mixed.of(values) }
  }
  return best.regret
}

const unitsAt = (rung: number): number => UNITS_PER_RUN * (RUNGS[rung] ?? 0)
