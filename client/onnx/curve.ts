/** The learning curve of a run, point for point as the kernels have it (assembly/lib/curve.ts). */
import { z } from 'zod'
import { CURVE_POINTS_MAX } from '#protocol/limits.ts'
import type { CurvePoint } from '#protocol/report.ts'

/** Points of training loss: after every ⌈updates / 60⌉ updates, the mean since the one before. */
const CURVE_POINTS = 60

const Point = z.strictObject({
  update: z.int().min(0),
  train: z.number().nullable(),
  val: z.number().nullable(),
})

/** Losses in the metric's unit: the points so far, and what was added up since. */
export const Losses = z.strictObject({
  points: z.array(Point).max(CURVE_POINTS_MAX),
  sum: z.number(),
  count: z.int().min(0),
})
export type Losses = z.infer<typeof Losses>

export const NO_LOSSES: Losses = { points: [], sum: 0, count: 0 }

/** Adds the training loss of the update that ends with number `update` of `updates`. */
export function withLoss(losses: Losses, loss: number, { update, updates }: At): Losses {
  const more = { points: losses.points, sum: losses.sum + loss, count: losses.count + 1 }
  return update % Math.ceil(updates / CURVE_POINTS) === 0 ? pointed(more, update) : more
}

interface At {
  readonly update: number
  /** Of the whole run. */
  readonly updates: number
}

/** Adds a validation loss: to the last training point itself, if it stands at the same update. */
export function withVal(losses: Losses, val: number, update: number): Losses {
  const at = losses.count === 0 && losses.points.length > 0 ? losses : pointed(losses, update)
  const points = at.points.map((point, i) => (i === at.points.length - 1 ? { ...point, val } : point))
  return { ...at, points }
}

function pointed({ points, sum, count }: Losses, update: number): Losses {
  const point = { update, train: count === 0 ? null : sum / count, val: null }
  return { points: [...points, point], sum: 0, count: 0 }
}

/** The curve of a report. */
export const curveOf = ({ points }: Losses, updates: number): CurvePoint[] =>
  points.map(({ update, train, val }) => ({ update, fuel: update / updates, train, val }))
