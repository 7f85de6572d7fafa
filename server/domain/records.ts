import { studentT99 } from './statistics.ts'

export type Goal = 'minimize' | 'maximize'

/** The valid metrics of one campaign, as far as its records depend on them. */
export interface Scores {
  readonly goal: Goal
  readonly n: number
  readonly mean: number
  /** Sum of squared differences from the mean (Welford). */
  readonly m2: number
  /** The best single run of those experiments that lead. */
  readonly best: number | null
  /** The best experiments by their means over seeds, best first: one more than there are leading rows. */
  readonly leaders: readonly Leader[]
}

/** An experiment's valid metrics. */
export interface Score {
  readonly n: number
  readonly mean: number
}

interface Leader extends Score {
  readonly experimentId: string
}

/** A run with the valid metrics of its experiment before it; none: undefined. */
export interface ScoredRun {
  readonly experimentId: string
  readonly metric: number
  readonly before: Score | undefined
}

export const noScores = (goal: Goal): Scores => ({ goal, n: 0, mean: 0, m2: 0, best: null, leaders: [] })

/** Below this many values a predicted interval says nothing. */
const PREDICTABLE_MIN = 8

/**
 * Whether people would look at this run first (DESIGN §8): it is better than any run of what leads its campaign, its experiment would be among
 * the best `leaderRows`, or it lies beyond the better end of the 99 % interval that the campaign's valid metrics predict
 * for one more, mean ± t·sd·√(1 + 1/n).
 */
export function isRecord(scores: Scores, run: ScoredRun, leaderRows: number): boolean {
  if (leaderRows === 0) return false
  const sign = signOf(scores)
  const metric = run.metric * sign
  if (scores.best === null || metric < scores.best * sign) return true
  const mine = scoreAfter(run).mean * sign
  const others = scores.leaders.filter(leader => leader.experimentId !== run.experimentId)
  const better = others.filter(leader => leader.mean * sign < mine).length
  return better < leaderRows || isBeyondPrediction(scores, metric, sign)
}

// Most of what looks like a record early in a campaign is none an hour later: whoever checks few at a time, the best
// first, checks less.
const RECORDS_AT_A_TIME = 2

/** What a run that looks like a record says it reached: the metrics of all that were reported for it. */
export interface RecordClaim {
  readonly experimentId: string
  readonly metrics: readonly number[]
}

/**
 * Which of a campaign's runs that look like records the verifier may check next, the best claims first; `begun` are those that it
 * checks already. While it has work it checks no more than two of a campaign at a time. While it is idle, all that would lead
 * as things stand, beside what is valid and if all that is being checked is true: others wait for the first rows, and a better
 * claim does not wait for a worse one that came before it. What is checked in vain then costs nobody anything but the time
 * until the last of it is done. Among equal claims those that are begun, then the first.
 */
export function nextToCheck<Candidate extends RecordClaim>(
  candidates: readonly Candidate[],
  terms: {
    readonly scores: Pick<Scores, 'goal' | 'leaders'>
    readonly begun: readonly RecordClaim[]
    readonly isVerifierIdle: boolean
    readonly leaderRows: number
  },
): Candidate[] {
  const { scores, begun, isVerifierIdle, leaderRows } = terms
  const sign = signOf(scores)
  const best = ({ metrics }: Pick<RecordClaim, 'metrics'>): number =>
    Math.min(...metrics.map(metric => metric * sign))
  const byClaim = <C extends Pick<RecordClaim, 'metrics'>>(claims: readonly C[]): C[] =>
    claims.toSorted((a, b) => best(a) - best(b))
  const few = byClaim(candidates).slice(0, Math.max(0, RECORDS_AT_A_TIME - begun.length))
  if (!isVerifierIdle) return few
  const claimed = new Set([...begun, ...candidates].map(({ experimentId }) => experimentId))
  const valid = scores.leaders.flatMap(({ experimentId, mean }) =>
    claimed.has(experimentId) ? [] : [{ metrics: [mean] }],
  )
  const leading = new Set<unknown>(byClaim([...valid, ...begun, ...candidates]).slice(0, leaderRows))
  return byClaim(candidates).filter(candidate => leading.has(candidate) || few.includes(candidate))
}

/**
 * What is shown of a leaderboard's rows, best first: until `leaderRows` are, only rows of which the verifier has seen every
 * run (DESIGN §8: records are published only after V3). A row may come to lead long after its runs were published,
 * because others became worse or were withdrawn; until it is verified it is left out.
 */
export function shownRows<Row extends { readonly unverified: number }>(
  rows: readonly Row[],
  leaderRows: number,
): Row[] {
  let shown = 0
  return rows.filter(({ unverified }) => {
    if (shown < leaderRows && unverified > 0) return false
    shown++
    return true
  })
}

const signOf = ({ goal }: Pick<Scores, 'goal'>): 1 | -1 => (goal === 'minimize' ? 1 : -1)

function isBeyondPrediction({ n, mean, m2 }: Scores, signed: number, sign: number): boolean {
  if (n < PREDICTABLE_MIN) return false
  const sd = Math.sqrt(m2 / (n - 1))
  return signed < mean * sign - studentT99(n - 1) * sd * Math.sqrt(1 + 1 / n)
}

/**
 * The scores with one more valid run. A leader whose mean became worse stays listed, also where one that is not known here
 * is better by now: until the scores are read again rather too much counts as a record.
 */
export function addRun(scores: Scores, run: ScoredRun, leaderRows: number): Scores {
  const sign = signOf(scores)
  const n = scores.n + 1
  const delta = run.metric - scores.mean
  const mean = scores.mean + delta / n
  const best = scores.best === null || run.metric * sign < scores.best * sign ? run.metric : scores.best
  const others = scores.leaders.filter(leader => leader.experimentId !== run.experimentId)
  const mine = { experimentId: run.experimentId, ...scoreAfter(run) }
  const place = others.findIndex(leader => leader.mean * sign > mine.mean * sign)
  const leaders = others.toSpliced(place < 0 ? others.length : place, 0, mine).slice(0, leaderRows + 1)
  return { ...scores, n, mean, m2: scores.m2 + delta * (run.metric - mean), best, leaders }
}

/** The metrics of the run's experiment with this one. */
export function scoreAfter({ before, metric }: ScoredRun): Score {
  const { n, mean } = before ?? { n: 0, mean: 0 }
  return { n: n + 1, mean: mean + (metric - mean) / (n + 1) }
}
