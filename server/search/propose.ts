import type { Recipe } from '#protocol/job.ts'
import { REJECTED_DRAWS_MAX } from '#protocol/limits.ts'
import type { Values } from './expression.ts'
import { type Goal, type History, isTaken, type View, viewOf } from './history.ts'
import type { Draw, Sampler } from './samplers/sampler.ts'
import type { Broken, Point, SearchSpace } from './search-space.ts'
import { streamOf } from './stream.ts'

export interface Proposal {
  /** How many trials the campaign had before it. */
  readonly ordinal: number
  /** How many reports the history had: record it, it makes the ask replayable. */
  readonly asked: number
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
   * The next `count` recipes, none of which the history has. Deterministic given the search and the history, and one by
   * one the same as at once: experiment n is drawn from stream n of the seed, with those before it pending.
   */
  ask(history: History, count: number): AskReply
}

interface Parts {
  readonly space: SearchSpace
  readonly sampler: Sampler
  readonly seed: number
  readonly goal: Goal
  /** The canonical recipe of the values of a point. */
  readonly recipeOf: (values: Values) => Recipe
}

export function searchWith(parts: Parts): Search {
  return { space: parts.space, ask: (history, count) => ask(parts, history, count) }
}

function ask(parts: Parts, history: History, count: number): AskReply {
  const { space, sampler, seed, goal, recipeOf } = parts
  const view = viewOf(space, goal, history)
  const asked = history.reports.length
  const proposals: Proposal[] = []
  while (proposals.length < count) {
    const ordinal = history.trials.length + proposals.length
    const stream = streamOf(seed, ordinal)
    const draw = sampler(view)
    const found = firstFree(space, view, attempt => draw(stream, attempt))
    if (!found.ok) return { ...refused(space, ordinal, found.reason), proposals }
    const { values, coordinates } = found
    proposals.push({ ordinal, asked, values, recipe: recipeOf(values) })
    view.pending.push({ coordinates, asked: view.observations.length })
  }
  return { ok: true, proposals }
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
