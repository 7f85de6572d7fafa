import { recipeSha256Of } from '#domain/recipe.ts'
import type { Recipe } from '#protocol/job.ts'
import { REJECTED_DRAWS_MAX } from '#protocol/limits.ts'
import type { Proposer } from '#protocol/space.ts'
import { askedInOrder, standingsOf } from './bandit.ts'
import type { Values } from './expression.ts'
import { plainValues } from './expression.ts'
import { type Goal, type History, isTaken, type View, viewOf } from './history.ts'
import type { Draw, Sampler } from './samplers/sampler.ts'
import type { Broken, Point, SearchSpace } from './search-space.ts'
import { streamOf } from './stream.ts'

export interface Proposal {
  /** How many trials the campaign had before it. */
  readonly ordinal: number
  /** How many reports the history had: record it, it makes the ask replayable. */
  readonly asked: number
  /** How many promotions it had: the choice of the proposer is replayable. */
  readonly promotions: number
  readonly proposer: Proposer
  /** The active parameters of the space. */
  readonly values: Values
  readonly recipe: Recipe
}

export type AskReply =
  | { readonly ok: true; readonly proposals: readonly Proposal[] }
  | {
      readonly ok: false
      readonly code: 'space_too_constrained' | 'space_too_small'
      readonly detail: string
      /** Those found before the refusal. */
      readonly proposals: readonly Proposal[]
    }

export interface Search {
  readonly space: SearchSpace
  /**
   * The next `count` recipes, none of which the history has. Deterministic given the search, the history and what waits, and one by
   * one the same as at once: experiment n is drawn from stream n of the seed, with those before it pending.
   * @param waiting canonical recipes from outside that wait for their turn, the first one first; none of them is in the history
   */
  ask(history: History, count: number, waiting?: readonly Recipe[]): AskReply
}

/** Who may propose: a sampler, or without one those outside. */
export interface Arm {
  readonly name: Proposer
  readonly sampler: Sampler | null
}

interface Parts {
  readonly space: SearchSpace
  readonly arms: readonly Arm[]
  readonly seed: number
  readonly goal: Goal
  /** The canonical recipe of the values of a point. */
  readonly recipeOf: (values: Values) => Recipe
}

export function searchWith(parts: Parts): Search {
  return {
    space: parts.space,
    ask: (history, count, waiting = []) => ask(parts, history, { count, waiting }),
  }
}

interface Wanted {
  readonly count: number
  readonly waiting: readonly Recipe[]
}

function ask(parts: Parts, history: History, { count, waiting }: Wanted): AskReply {
  const { space, goal } = parts
  const view = viewOf(space, goal, history)
  const known = { asked: history.reports.length, promotions: history.promotions?.length ?? 0 }
  const orderOf = ordersOf(parts, history)
  const proposals: Proposal[] = []
  const batch = new Set<string>()
  while (proposals.length < count) {
    const ordinal = history.trials.length + proposals.length
    const queue = waiting.filter(recipe => !batch.has(recipeSha256Of(recipe)))
    const found = firstOf(parts, orderOf(ordinal, proposals), { ordinal, view, queue })
    if (!found.ok) return { ...refused(space, ordinal, found.reason), proposals }
    const { coordinates, ...proposal } = found.proposal
    proposals.push({ ordinal, ...known, ...proposal })
    if (waiting.length > 0) batch.add(recipeSha256Of(proposal.recipe))
    view.pending.push({ coordinates, asked: view.observations.length })
  }
  return { ok: true, proposals }
}

/** In which order the proposers are asked for an experiment, after what a batch has already. */
function ordersOf({ arms, seed }: Parts, history: History) {
  if (arms.length < 2) return () => arms
  const standings = standingsOf(
    arms.map(({ name }) => name),
    history,
  )
  return (ordinal: number, batch: readonly Proposal[]): readonly Arm[] => {
    const now = standings.map(standing => ({
      ...standing,
      pending: standing.pending + batch.filter(({ proposer }) => proposer === standing.name).length,
    }))
    return askedInOrder(now, streamOf(seed ^ CHOICE, ordinal)).flatMap(name =>
      arms.filter(arm => arm.name === name),
    )
  }
}

// Who is asked and what is proposed are drawn from streams that have nothing to do with each other.
const CHOICE = 0xa5c1

interface Asking {
  readonly ordinal: number
  readonly view: View
  /** What waits from outside and is not in the batch. */
  readonly queue: readonly Recipe[]
}

type Found = Pick<Proposal, 'proposer' | 'values' | 'recipe'> & Pick<Point, 'coordinates'>

/** What the first of the proposers has to give that has any; without one the reason of the last sampler. */
function firstOf(
  { space, seed, recipeOf }: Parts,
  arms: readonly Arm[],
  { ordinal, view, queue }: Asking,
): { readonly ok: true; readonly proposal: Found } | Broken {
  let broken: Broken = { ok: false, reason: 'nothing waits' }
  for (const { name: proposer, sampler } of arms) {
    const [recipe] = queue
    if (sampler === null && recipe !== undefined) {
      const coordinates = space.encode(recipe)
      return { ok: true, proposal: { proposer, values: plainValues(recipe), recipe, coordinates } }
    }
    if (sampler === null) continue
    const stream = streamOf(seed, ordinal)
    const draw = sampler(view)
    const point = firstFree(space, view, attempt => draw(stream, attempt))
    if (point.ok) return { ok: true, proposal: { proposer, ...point, recipe: recipeOf(point.values) } }
    broken = point
  }
  return broken
}

function firstFree(
  space: SearchSpace,
  view: View,
  draw: (attempt: number) => ReturnType<Draw>,
): Point | Broken {
  let reason = 'every recipe was tried'
  for (let attempt = 0; attempt < REJECTED_DRAWS_MAX; attempt++) {
    const raw = draw(attempt)
    if (raw === undefined) continue
    const point = space.settle(raw)
    if (!point.ok) reason = point.reason
    else if (!isTaken(view, point.coordinates)) return point
  }
  return { ok: false, reason }
}

function refused(
  { size }: SearchSpace,
  ordinal: number,
  reason: string,
): { ok: false; code: 'space_too_constrained' | 'space_too_small'; detail: string } {
  if (ordinal >= size)
    return {
      ok: false,
      code: 'space_too_small',
      detail: `experiment ${ordinal}: the space has ${size} points`,
    }
  const detail = `experiment ${ordinal}: ${REJECTED_DRAWS_MAX} draws were refused; the last reason: ${reason}`
  return { ok: false, code: 'space_too_constrained', detail }
}
