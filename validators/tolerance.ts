import type { Fingerprint } from '#protocol/fingerprint.ts'
import type { Distance, Tolerance } from '#protocol/native.ts'
import type { RunReport } from '#protocol/report.ts'
import { type ReadOutput, readOutput } from './output.ts'
import type { Validator } from './validator.ts'

/**
 * How far two runs of one job lie apart; undefined where nothing can be compared, because they ended otherwise or made other steps.
 * Of runs that did not end ok only how they ended is compared: they have no weights, and where a run leaves all numbers behind
 * differs from device to device. Symmetric.
 */
export function distanceOf(a: RunReport, b: RunReport): Distance | undefined {
  if (a.engine !== b.engine || a.status !== b.status) return undefined
  if (a.status !== 'ok') return { metric: 0, curve: 0, fingerprint: 0 }
  const metric = Math.abs((a.metric?.value ?? Number.NaN) - (b.metric?.value ?? Number.NaN))
  const curve = curveDistance(a.curve, b.curve)
  const fingerprint = weightsDistance(a.fingerprint ?? [], b.fingerprint ?? [])
  if (a.metric?.name !== b.metric?.name || curve === undefined || fingerprint === undefined) return undefined
  return { metric, curve, fingerprint }
}

/** The largest difference of the training losses, which were told at the same updates. */
function curveDistance(a: RunReport['curve'], b: RunReport['curve']): number | undefined {
  if (a.length !== b.length) return undefined
  let largest = 0
  for (const [i, point] of a.entries()) {
    const other = b[i]
    if (other?.update !== point.update) return undefined
    if ((point.train === null) !== (other.train === null)) return undefined
    largest = Math.max(largest, Math.abs((point.train ?? 0) - (other.train ?? 0)))
  }
  return largest
}

/**
 * The distance of two runs' weights over the root mean square of their norms, as their projections tell it; 1.4 for weights
 * that have nothing to do with each other.
 */
function weightsDistance(a: Fingerprint, b: Fingerprint): number | undefined {
  if (a.length === 0 || a.length !== b.length) return undefined
  let apart = 0
  let norms = 0
  for (const [i, block] of a.entries()) {
    const other = b[i]
    if (other === undefined) return undefined
    const squares = block.projections.map((value, k) => (value - (other.projections[k] ?? Number.NaN)) ** 2)
    apart += squares.reduce((sum, x) => sum + x, 0) / squares.length
    norms += (block.norm ** 2 + other.norm ** 2) / 2
  }
  return apart === 0 ? 0 : Math.sqrt(apart / norms)
}

const NAMES = { metric: 'metrics', curve: 'training losses', fingerprint: 'weights' } as const

/** For engine classes whose devices round in their own ways: equal is near enough in metric, curve and final weights. */
export const tolerance = (bounds: Tolerance): Validator<ReadOutput> => ({
  name: 'tolerance',
  read: readOutput,
  same: (a, b) => isWithin(distanceOf(a.report, b.report), bounds),
  whereTheyPart: (a, b) => {
    const distance = distanceOf(a.report, b.report)
    if (distance === undefined) return `${a.report.status} against ${b.report.status}, or other steps`
    const part = (['metric', 'curve', 'fingerprint'] as const).find(name => !(distance[name] <= bounds[name]))
    return part === undefined
      ? 'within the tolerance'
      : `the ${NAMES[part]} are ${distance[part].toPrecision(3)} apart, and ${bounds[part].toPrecision(3)} is allowed`
  },
})

// Written so that a NaN is never near enough.
const isWithin = (distance: Distance | undefined, bounds: Tolerance): boolean =>
  distance !== undefined &&
  distance.metric <= bounds.metric &&
  distance.curve <= bounds.curve &&
  distance.fingerprint <= bounds.fingerprint
