import { PAIRS_MAX } from '#protocol/limits.ts'
import { sprt } from '#search/sprt.ts'
import { pairedDeviation } from '#search/statistics.ts'
import { type Stream, streamOf } from '#search/stream.ts'

const CANDIDATES = 100
const REPLICATED = 4
const SETTINGS = { alpha: 0.05, beta: 0.05 }

export interface Errors {
  /** Share of campaigns of 100 candidates without any merit that promote one. */
  readonly falsely: number
  /** Share of candidates better by one seed deviation, among the first ten tests, that are not promoted. */
  readonly missed: number
}

/**
 * Simulated campaigns whose runs scatter with deviation 1 over seeds, none of it shared by the pairs, and which know that
 * scatter from four experiments with `seeds` seeds each.
 */
export function promotionErrors({
  campaigns,
  effect,
  seeds,
}: Record<'campaigns' | 'effect' | 'seeds', number>): Errors {
  let [falsely, missed] = [0, 0]
  for (let campaign = 0; campaign < campaigns; campaign++) {
    const stream = streamOf(campaign, seeds)
    const deviation = replicatedDeviation(stream, seeds)
    const isPromoted = (gain: number, test: number): boolean =>
      sprt({ gains: gains(stream, gain), effect, deviation, test, ...SETTINGS }).state === 'promote'
    for (let test = 1; test <= CANDIDATES; test++) {
      if (!isPromoted(0, test)) continue
      falsely++
      break
    }
    if (!isPromoted(1, 1 + stream.below(10))) missed++
  }
  return { falsely: falsely / campaigns, missed: missed / campaigns }
}

const gains = (stream: Stream, mean: number): number[] =>
  Array.from({ length: PAIRS_MAX }, () => mean + stream.normal() - stream.normal())

function replicatedDeviation(stream: Stream, seeds: number): number {
  const experiments = Array.from(
    { length: REPLICATED },
    () => new Map(Array.from({ length: seeds }, (_, seed) => [seed, stream.normal()])),
  )
  return pairedDeviation(experiments) ?? 1
}
