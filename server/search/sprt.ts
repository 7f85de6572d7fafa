import { invariant } from '#domain/invariant.ts'
import { PAIRS_MAX, PAIRS_MIN } from '#protocol/limits.ts'

// How many pairs the deviation from the campaign's replicates counts for, beside the test's own.
const PRIOR_PAIRS = 4
// Of the effect: replicates that agree in every digit do not make a ratio infinite.
const DEVIATION_MIN = 1e-3

export interface SprtSource {
  /** How much better the candidate was on each fresh seed, in the order of the seeds: positive is better. */
  readonly gains: readonly number[]
  /** The gain worth finding: H1 is that the mean is this, H0 that it is 0. */
  readonly effect: number
  /** Standard deviation of a paired difference by the campaign's replicates; without them a campaign cannot test. */
  readonly deviation: number
  /** Number of the test in its campaign, from 1. */
  readonly test: number
  /** Chance of a false promotion over all tests of the campaign, and of missing the effect in this one. */
  readonly alpha: number
  readonly beta: number
}

export interface SprtVerdict {
  /** `undecided` is final: no more pairs are run. */
  readonly state: 'promote' | 'reject' | 'undecided' | 'more'
  readonly pairs: number
  /** Log likelihood ratio of H1 to H0, and the bounds at which it decides. */
  readonly llr: number
  readonly lower: number
  readonly upper: number
}

/**
 * Wald's sequential probability ratio test (1945) of a normal mean, on fresh paired seeds that screening never used. The
 * deviation is not known: the ratio is that of the likelihoods integrated over a prior of it, s0² with the weight of
 * four pairs (scaled inverse χ²), ((4·s0² + Σd²) / (4·s0² + Σ(d − effect)²)) to the power (4 + n)/2; decision 0006 says
 * why not the normal one. The i-th test spends α·6/(π²·i²), which sums to α over any number of tests. It decides at the
 * first n of at least 5 at which a bound is passed, so that pairs which come in late never change a verdict.
 */
export function sprt(source: SprtSource): SprtVerdict {
  const { gains, effect, deviation, test } = source
  invariant(effect > 0 && deviation >= 0 && test >= 1, 'a test has an effect, a deviation and a number')
  const bounds = boundsOf(source)
  const prior = PRIOR_PAIRS * Math.max(deviation, DEVIATION_MIN * effect) ** 2
  let [squares, squaresOff] = [prior, prior]
  let llr = 0
  const most = Math.min(gains.length, PAIRS_MAX)
  for (let n = 1; n <= most; n++) {
    const gain = gains[n - 1] ?? 0
    squares += gain ** 2
    squaresOff += (gain - effect) ** 2
    llr = ((PRIOR_PAIRS + n) / 2) * Math.log(squares / squaresOff)
    if (n < PAIRS_MIN) continue
    if (llr >= bounds.upper) return { state: 'promote', pairs: n, llr, ...bounds }
    if (llr <= bounds.lower) return { state: 'reject', pairs: n, llr, ...bounds }
  }
  return { state: most === PAIRS_MAX ? 'undecided' : 'more', pairs: most, llr, ...bounds }
}

/** Log likelihood ratios at which test number `test` rejects and promotes (Wald). */
export function boundsOf({ test, alpha, beta }: Pick<SprtSource, 'test' | 'alpha' | 'beta'>): {
  readonly lower: number
  readonly upper: number
} {
  const spent = alphaOf(test, alpha)
  return { lower: Math.log(beta / (1 - spent)), upper: Math.log((1 - beta) / spent) }
}

/** The share of α that test number `test` of a campaign may spend. */
export const alphaOf = (test: number, alpha: number): number => (alpha * 6) / (Math.PI ** 2 * test ** 2)
