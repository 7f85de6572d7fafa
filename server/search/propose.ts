import type { Recipe } from '#protocol/job.ts'
import { REJECTED_DRAWS_MAX } from '#protocol/limits.ts'
import type { Values } from './expression.ts'
import { type Goal, type History, isTaken, type View, viewOf } from './history.ts'
import type { Draw, Sampler } from './samplers/sampler.ts'
import type { Point, SearchSpace } from './search-space.ts'
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

/** The canonical recipe of values of the space, or why the kernel refuses it. */
export type RecipeOf = (
  values: Values,
) => { readonly ok: true; readonly recipe: Recipe } | { readonly ok: false; readonly reason: string }

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
  readonly recipeOf: RecipeOf
}

export function searchWith(parts: Parts): Search {
  return { space: parts.space, ask: (history, count) => ask(parts, history, count) }
}

function ask(parts: Parts, history: History, count: number): AskReply {
  const { space, sampler, seed, goal } = parts
  const view = viewOf(space, goal, history)
  const asked = history.reports.length
  const proposals: Proposal[] = []
  while (proposals.length < count) {
    const ordinal = history.trials.length + proposals.length
    const stream = streamOf(seed, ordinal)
    const draw = sampler(view)
    const found = firstFree(parts, view, attempt => draw(stream, attempt))
    if (!found.ok) return { ...refused(space, ordinal, found.reason), proposals }
    const { point, recipe } = found
    proposals.push({ ordinal, asked, values: point.values, recipe })
    view.pending.push({ coordinates: point.coordinates, asked: view.observations.length })
  }
  return { ok: true, proposals }
}

type Found =
  | { readonly ok: true; readonly point: Point; readonly recipe: Recipe }
  | { readonly ok: false; readonly reason: string }

function firstFree(
  { space, recipeOf }: Parts,
  view: View,
  draw: (attempt: number) => ReturnType<Draw>,
): Found {
  let reason = 'every draw breaks a constraint or repeats a recipe'
  for (let attempt = 0; attempt < REJECTED_DRAWS_MAX; attempt++) {
    const raw = draw(attempt)
    const point = raw && space.settle(raw)
    if (point === undefined || isTaken(view, point.coordinates)) continue
    const reply = recipeOf(point.values)
    if (reply.ok) return { ok: true, point, recipe: reply.recipe }
    reason = `the kernel refuses it: ${reply.reason}`
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
