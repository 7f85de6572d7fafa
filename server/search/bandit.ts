import { invariant } from '#domain/invariant.ts'
import type { Stream } from './stream.ts'

/** One of several proposers of a campaign, a sampler or an agent, and what came of its experiments. */
export interface Proposer {
  readonly name: string
  /** Experiments with an outcome. */
  readonly tried: number
  /** Of those, the ones that passed the sequential test. */
  readonly promoted: number
  /** Without an outcome yet. */
  readonly pending: number
}

// Every tenth experiment goes round among all: a proposer that is out of luck is never out of the game.
const FLOOR = 0.1

/**
 * Who proposes the next experiment: Thompson sampling (1933) of the chance that an experiment is promoted, with an even
 * prior and pending experiments counted as tried in vain, so that a batch spreads. Only promotions count, since they are
 * made on fresh seeds: a proposer cannot win by luck in screening.
 */
export function nextProposer(proposers: readonly Proposer[], stream: Stream): string {
  invariant(proposers.length > 0, 'a campaign has a proposer')
  const chances = proposers.map(({ tried, promoted, pending }) =>
    beta(1 + promoted, 1 + tried - promoted + pending, stream),
  )
  const favourite = chances.indexOf(Math.max(...chances))
  const index = stream.uniform() < FLOOR ? stream.below(proposers.length) : favourite
  return proposers[index]?.name ?? ''
}

/** A Beta(a, b) variable, a and b at least 1. */
function beta(a: number, b: number, stream: Stream): number {
  const x = gamma(a, stream)
  return x / (x + gamma(b, stream))
}

const GAMMA_TRIES_MAX = 100

/** Marsaglia and Tsang, "A simple method for generating gamma variables" (2000); more than 95 % of its tries succeed. */
function gamma(shape: number, stream: Stream): number {
  const d = shape - 1 / 3
  for (let i = 0; i < GAMMA_TRIES_MAX; i++) {
    const z = stream.normal()
    const v = (1 + z / Math.sqrt(9 * d)) ** 3
    if (v > 0 && Math.log(stream.uniform()) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v
  }
  return d
}
