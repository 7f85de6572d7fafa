import { invariant } from '#domain/invariant.ts'
import type { Proposer } from '#protocol/space.ts'
import type { History, Promotion } from './history.ts'
import { lastOutcomes } from './outcome.ts'
import { type Stream, streamOf } from './stream.ts'

/** One of several proposers of a campaign, a sampler or those outside, and what came of its experiments. */
export interface Standing {
  readonly name: Proposer
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
 * In which order the proposers are asked for the next experiment; one that has none to give leaves its turn to the one after it.
 * Thompson sampling (1933) of the chance that an experiment is promoted, with an even prior and pending experiments counted
 * as tried in vain, so that a batch spreads. Only promotions count, since they are made on fresh seeds: a proposer cannot win
 * by luck in screening, and what always fails is no more than tried in vain.
 */
export function askedInOrder(standings: readonly Standing[], stream: Stream): readonly Proposer[] {
  invariant(standings.length > 0, 'a campaign has a proposer')
  const drawn = standings.map(({ name, tried, promoted, pending }) => ({
    name,
    chance: beta(1 + promoted, 1 + tried - promoted + pending, stream),
  }))
  const lucky = stream.uniform() < FLOOR ? standings[stream.below(standings.length)]?.name : undefined
  const first = (name: Proposer): number => (name === lucky ? 1 : 0)
  return drawn.sort((a, b) => first(b.name) - first(a.name) || b.chance - a.chance).map(({ name }) => name)
}

/** What came of the experiments of each proposer, by what was told of them. */
export function standingsOf(names: readonly Proposer[], history: History): Standing[] {
  const last = lastOutcomes(history)
  const promoted = promotedIn(history)
  return names.map(name => {
    const own = history.trials.flatMap((trial, ordinal) => (trial.proposer === name ? [ordinal] : []))
    const tried = own.filter(ordinal => last.has(ordinal)).length
    const passed = own.filter(ordinal => promoted.has(ordinal) && last.has(ordinal)).length
    return { name, tried, promoted: passed, pending: own.length - tried }
  })
}

/** The trials that stand as promoted by what was told. */
export function promotedIn({ promotions = [] }: Pick<History, 'promotions'>): ReadonlySet<number> {
  const last = new Map(promotions.map(({ ordinal, stands }) => [ordinal, stands]))
  return new Set(Array.from(last).flatMap(([ordinal, stands]) => (stands ? [ordinal] : [])))
}

/** What is to be told after `known`, where the trials `standing` have passed a test: in the order of the trials. */
export function newPromotions(
  known: readonly Promotion[],
  standing: readonly number[],
): readonly Promotion[] {
  const before = promotedIn({ promotions: known })
  const now = new Set(standing)
  return Array.from(before.union(now))
    .filter(ordinal => before.has(ordinal) !== now.has(ordinal))
    .sort((a, b) => a - b)
    .map(ordinal => ({ ordinal, stands: now.has(ordinal) }))
}

// Of a chance of one half they miss by 1.6 % (standard error).
const DRAWS = 1_000

/** The chance of each proposer to be asked first for the next experiment, of a thousand draws; they add up to 1. */
export function sharesOf(standings: readonly Standing[]): ReadonlyMap<Proposer, number> {
  const firsts = Array.from({ length: DRAWS }, (_, i) => askedInOrder(standings, streamOf(0, i))[0])
  return new Map(standings.map(({ name }) => [name, firsts.filter(first => first === name).length / DRAWS]))
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
