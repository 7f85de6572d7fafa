import type { SelfTestState } from '#protocol/people.ts'
import type { Goal } from './records.ts'
import { median } from './statistics.ts'

/** One result of the time looked at, as far as it can be compared with those of others. */
export interface Observation {
  readonly hostId: string
  readonly campaignId: string
  readonly engineClass: string
  readonly goal: Goal
  readonly outcome: 'success' | 'error' | 'no_reply'
  readonly metric: number | null
  readonly fuelUsed: number | null
  readonly cpuMs: number | null
}

/** How far a host lies from its peers, in standard deviations of what chance explains; null: too little to say. */
export interface Residual {
  readonly hostId: string
  readonly results: number
  /** Its metrics against those of its campaigns: above zero they are better. */
  readonly metric: number | null
  /** The time it takes for a unit of fuel, as a logarithm, against other hosts of the class: below zero it is faster. */
  readonly time: number | null
  /** Its share of errors and lost results against that of all others: above zero there are more. */
  readonly errors: number | null
}

// Fewer say nothing about a median of absolute differences.
const PEERS_MIN = 8
// The 75 % quantile of the normal distribution: MAD / 0.6745 estimates its standard deviation (Iglewicz and Hoaglin 1993).
const MAD_NORMAL = 0.6745
const Z_MAX = 20 // one absurd value is one absurd value

/** Residuals of all hosts with a result in the observations. */
export function residualsOf(observations: readonly Observation[]): Residual[] {
  const metrics = metricScores(observations)
  const times = timeScores(observations)
  const failed = observations.filter(o => o.outcome !== 'success').length
  return [...Map.groupBy(observations, o => o.hostId)].map(([hostId, mine]) => ({
    hostId,
    results: mine.length,
    metric: pooled(metrics.get(hostId) ?? []),
    time: times.get(hostId) ?? null,
    errors: excess(mine.filter(o => o.outcome !== 'success').length, mine.length, {
      failed,
      all: observations.length,
    }),
  }))
}

/** Robust z-score of a value among its peers: 0.6745 · (x − median) / MAD; null among too few or equal ones. */
export function robustZ(value: number, peers: readonly number[]): number | null {
  if (peers.length < PEERS_MIN) return null
  const middle = median(peers)
  const spread = median(peers.map(peer => Math.abs(peer - middle)))
  if (spread === 0) return null
  return Math.max(-Z_MAX, Math.min(Z_MAX, (MAD_NORMAL * (value - middle)) / spread))
}

/** By host, the score of each of its metrics among those that other hosts gave in the campaign. */
function metricScores(observations: readonly Observation[]): Map<string, number[]> {
  const scores = new Map<string, number[]>()
  for (const runs of Map.groupBy(observations, o => o.campaignId).values()) {
    for (const [hostId, mine] of Map.groupBy(runs, o => o.hostId)) {
      const peers = runs.flatMap(o => (o.hostId === hostId || o.metric === null ? [] : [o.metric]))
      const found = mine.flatMap(({ metric, goal }) => {
        const z = metric === null ? null : robustZ(metric, peers)
        return z === null ? [] : [goal === 'minimize' ? -z : z]
      })
      scores.set(hostId, [...(scores.get(hostId) ?? []), ...found])
    }
  }
  return scores
}

function timeScores(observations: readonly Observation[]): Map<string, number> {
  const scores = new Map<string, number>()
  for (const runs of Map.groupBy(observations, o => o.engineClass).values()) {
    const speeds = [...Map.groupBy(runs, o => o.hostId)].flatMap(([hostId, mine]) => {
      const logs = mine.flatMap(({ fuelUsed, cpuMs }) =>
        fuelUsed === null || cpuMs === null || fuelUsed === 0
          ? []
          : [Math.log(Math.max(1, cpuMs) / fuelUsed)],
      )
      return logs.length === 0 ? [] : [{ hostId, log: median(logs) }]
    })
    for (const { hostId, log } of speeds) {
      const peers = speeds.flatMap(other => (other.hostId === hostId ? [] : [other.log]))
      const z = robustZ(log, peers)
      const known = scores.get(hostId)
      if (z !== null && (known === undefined || Math.abs(z) > Math.abs(known))) scores.set(hostId, z)
    }
  }
  return scores
}

/** Stouffer's method: the sum of independent scores over √n is a score again. */
const pooled = (scores: readonly number[]): number | null =>
  scores.length === 0 ? null : scores.reduce((sum, z) => sum + z, 0) / Math.sqrt(scores.length)

/** How many more fail than the share of all others predicts, in standard deviations of a binomial. */
function excess(mine: number, n: number, { failed, all }: { failed: number; all: number }): number | null {
  const others = all - n
  if (n < PEERS_MIN || others < PEERS_MIN) return null
  const share = (failed - mine + 1) / (others + 2) // Laplace's rule: nothing is impossible because it was not seen yet
  return (mine - n * share) / Math.sqrt(n * share * (1 - share))
}

/** What else speaks for or against a host. */
export interface HostRecord {
  readonly recentChecks: string // with the verifier: `=` equal, `x` not
  readonly selfTest: SelfTestState
  readonly ownerExclusions: number
  /** Results whose weights lose far more than their peers' from val to the hidden text. */
  readonly knowingVal?: number
}

export interface Suspicion {
  /** For sorting only: the sum of what is beyond chance. */
  readonly score: number
  readonly reasons: readonly string[]
}

// Of ten thousand honest hosts one is beyond it by chance.
const Z_FLAG = 4
const PER_DIFFERENCE = 5
const PER_EXCLUSION = 5
const PER_KNOWING_VAL = 10

/** Why an operator should look at a host; without reasons there is nothing to look at. Nobody is punished for a residual. */
export function suspicionOf(
  residual: Residual,
  { recentChecks, selfTest, ownerExclusions, knowingVal = 0 }: HostRecord,
): Suspicion {
  const { metric, time, errors } = residual
  const differences = recentChecks.split('x').length - 1
  const parts: readonly (readonly [number, string])[] = [
    [
      beyond(metric),
      `its metrics are better than those of its peers: ${metric?.toFixed(1)} standard deviations`,
    ],
    [
      beyond(time === null ? null : -time),
      `it is faster than machines are: ${time?.toFixed(1)} standard deviations`,
    ],
    [beyond(errors), `it fails more often than others: ${errors?.toFixed(1)} standard deviations`],
    [
      differences * PER_DIFFERENCE,
      `${differences} of the last ${recentChecks.length} comparisons with the verifier differ`,
    ],
    [selfTest === 'failed' ? 1 : 0, 'its self-test failed: it is broken rather than a liar'],
    [ownerExclusions * PER_EXCLUSION, `${ownerExclusions} hosts of its owner were excluded`],
    [
      knowingVal * PER_KNOWING_VAL,
      `the weights of ${knowingVal} results do far worse on text that nobody has than those of its peers: they may have seen val`,
    ],
  ]
  const found = parts.filter(([score]) => score > 0)
  return { score: found.reduce((sum, [score]) => sum + score, 0), reasons: found.map(([, reason]) => reason) }
}

const beyond = (z: number | null): number => (z === null || z < Z_FLAG ? 0 : z)
