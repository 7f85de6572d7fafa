// The learning curve: at most 60 points of training loss, each the mean over the updates since the one before, and one with the
// validation loss at the end of the run, and of each of its rungs.

import { job } from './job'
import { Counters, CURVE_POINTS, Point, point } from './state'

/** A point at the present update. */
export function recordPoint(s: Counters): void {
  const at = append(s)
  at.train = s.pointUpdates > 0 ? s.pointSum / f64(s.pointUpdates) : -1
  s.pointSum = 0
  s.pointUpdates = 0
}

/** A point with the metric: the last training point itself, if it stands at the same update. */
export function recordMetric(s: Counters): void {
  const reuse = s.points > 0 && s.pointUpdates == 0 && !job.evaluate
  if (!reuse) recordPoint(s)
  const last = point(s.points - 1)
  last.fuel = fraction(s)
  last.val = s.metric
  last.hasVal = 1
}

function append(s: Counters): Point {
  if (s.points >= CURVE_POINTS) unreachable()
  const at = point(s.points)
  s.points += 1
  at.update = s.updates
  at.fuel = fraction(s)
  return at
}

// The share of the limit that was spent when the present step began.
function fraction(s: Counters): f64 {
  if (job.fuel == 0) return s.planned > 0 ? f64(s.updates) / f64(s.planned) : 1
  const spent = 1 - f64(s.fuelNow) / f64(job.fuel)
  return max<f64>(0, min<f64>(1, spent))
}
