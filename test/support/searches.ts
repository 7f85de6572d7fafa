import type { SamplerFile } from '#protocol/space.ts'
import type { Values } from '#search/expression.ts'
import type { Goal, History, Outcome } from '#search/history.ts'
import { type Proposal, type Search, searchWith } from '#search/propose.ts'
import { samplerOf } from '#search/samplers/registry.ts'
import { compileSpace, type SearchSpace, type SpaceSource } from '#search/search-space.ts'

export function compiled(source: SpaceSource): SearchSpace {
  const space = compileSpace(source)
  if (!space.ok) throw new Error(space.detail)
  return space
}

/** The values of a recipe, if it is a point of the space. */
export function settled(space: SearchSpace, coordinates: Float64Array): Values | undefined {
  const point = space.settle(coordinates)
  return point.ok ? point.values : undefined
}

export function searchOver(source: SpaceSource, sampler: SamplerFile, goal: Goal = 'minimize'): Search {
  const space = compiled(source)
  const reply = samplerOf(space, source.space, sampler)
  if (!reply.ok) throw new Error(reply.detail)
  return searchWith({
    space,
    arms: [{ name: sampler.name, sampler: reply.sampler }],
    seed: sampler.seed,
    goal,
    recipeOf: values => values,
  })
}

/** A history in the making. */
export interface Growing {
  readonly trials: History['trials'][number][]
  readonly reports: History['reports'][number][]
}

export const nothing = (): Growing => ({ trials: [], reports: [] })

export function proposals(search: Search, history: History, count: number): readonly Proposal[] {
  const reply = search.ask(history, count)
  if (!reply.ok) throw new Error(`${reply.code}: ${reply.detail}`)
  return reply.proposals
}

/** Asks `batches` times for `batch` trials and reports each batch before the next one. */
export function grown(
  search: Search,
  { batches, batch }: { readonly batches: number; readonly batch: number },
  outcome: (values: Values, ordinal: number) => Outcome,
): Growing {
  const history = nothing()
  for (let i = 0; i < batches; i++) {
    const found = proposals(search, history, batch)
    for (const { recipe, asked } of found) history.trials.push({ recipe, asked })
    for (const { ordinal, values } of found)
      history.reports.push({ ordinal, outcome: outcome(values, ordinal) })
  }
  return history
}

/** A space in which parameters come and go. */
export const conditional: SpaceSource = {
  space: {
    depth: { int: [2, 6] },
    lr: { log: [1e-3, 1e-1] },
    opt: { choice: ['adam', 'sgd'] },
    beta: { float: [0.9, 0.99], when: 'opt == "adam"' },
    momentum: { float: [0, 0.99], when: "opt == 'sgd'" },
    nesterov: { choice: ['no', 'yes'], when: 'momentum > 0.5' },
  },
}

/** Least at lr 0.01, depth 4, sgd with momentum 0.9. */
export const bowl = ({ lr, depth, momentum, beta }: Values): number =>
  (Math.log10(Number(lr)) + 2) ** 2 +
  0.1 * (Number(depth) - 4) ** 2 +
  (momentum === undefined ? 0.5 + Number(beta) : (Number(momentum) - 0.9) ** 2)
