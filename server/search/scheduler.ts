import { unreachable } from '#domain/invariant.ts'
import { LAST_RUNG, Rung } from '#protocol/job.ts'
import type { Pruner } from '#protocol/space.ts'
import type { Goal, History } from './history.ts'
import { lastOutcomes, rungOf } from './outcome.ts'
import { weighted } from './stream.ts'

/** A rung keeps one in three of the runs that reach it. */
const ETA = 3

/** Where a run may stop, as shares of its full limit: a rung is a prefix of the full run. */
export const RUNGS = [1 / 27, 1 / 9, 1 / 3, 1] as const

/** A trial on the rungs. */
export interface Climber {
  readonly ordinal: number
  /** At the rungs that it has reached, lower is better; NaN where it failed or diverged. */
  readonly losses: readonly number[]
  /** On its way to a rung now. */
  readonly isRunning: boolean
}

/**
 * The trials of a history on the rungs. Once a trial has reported, it rests until it is let go on: `running` has the
 * ordinals of those that were.
 */
export function climbersOf(
  { trials, reports }: History,
  goal: Goal,
  running: ReadonlySet<number>,
): readonly Climber[] {
  const sign = goal === 'minimize' ? 1 : -1
  const losses: number[][] = trials.map(() => [])
  for (const { ordinal, outcome } of reports) {
    const loss = 'value' in outcome ? sign * outcome.value : Number.NaN
    const own = losses[ordinal]
    if (own === undefined) continue
    // A failure counts at the rung that it was on its way to.
    own['value' in outcome ? rungOf(outcome) : (outcome.rung ?? own.length)] = loss
  }
  return losses.map((own, ordinal) => ({
    ordinal,
    losses: Array.from(own, loss => loss ?? Number.NaN),
    isRunning: running.has(ordinal) || own.length === 0,
  }))
}

/** That a trial was let go on to a rung when the history had `asked` reports: what makes the decision replayable. */
export interface Climb {
  readonly ordinal: number
  readonly rung: Rung
  readonly asked: number
}

/** The rung with which a trial begins. */
export function firstRungOf(pruner: Pruner, ordinal: number): Rung {
  if (pruner === 'none') return LAST_RUNG
  return pruner === 'hyperband' ? bracketOf(ordinal) : 0
}

/** The trials on their way to a rung: those without a report, and those that were let go on and have not reported since. */
export function runningOf(history: History, climbs: readonly Climb[]): ReadonlySet<number> {
  const last = lastOutcomes(history)
  const running = new Set(history.trials.flatMap((_, ordinal) => (last.has(ordinal) ? [] : [ordinal])))
  for (const { ordinal, rung } of climbs) {
    const told = last.get(ordinal)
    if (told !== undefined && rung > rungOf(told)) running.add(ordinal)
  }
  return running
}

/**
 * Who goes on now, and to which rung, given what was told and who went on before; the same as it was decided then when the
 * history is cut at `asked`. Once nothing more is tried (`isTried`) and nobody is on the way, the best of the highest rung goes
 * on until one has come to the end: however few the trials are, one of them is run whole.
 */
export function nextClimbs(
  { pruner, goal, isTried }: { readonly pruner: Pruner; readonly goal: Goal; readonly isTried: boolean },
  history: History,
  climbs: readonly Climb[],
): readonly Climb[] {
  const running = runningOf(history, climbs)
  const climbers = climbersOf(history, goal, running)
  const chosen = goingOn(pruner, climbers)
  const isStuck = isTried && chosen.length === 0 && running.size === 0
  return (isStuck ? bestResting(climbers) : chosen).flatMap(ordinal => {
    const rung = Rung.parse(climbers[ordinal]?.losses.length)
    return [{ ordinal, rung, asked: history.reports.length }]
  })
}

/** The one trial that rests highest and best; none once a trial has come to the end. */
function bestResting(climbers: readonly Climber[]): readonly number[] {
  const resting = climbers.filter(({ losses }) => finiteOr(losses.at(-1)) < Infinity)
  if (resting.some(({ losses }) => losses.length > LAST_RUNG)) return []
  const [best] = resting.toSorted(
    (a, b) =>
      b.losses.length - a.losses.length ||
      finiteOr(a.losses.at(-1)) - finiteOr(b.losses.at(-1)) ||
      a.ordinal - b.ordinal,
  )
  return best === undefined ? [] : [best.ordinal]
}

/**
 * The ordinals of the trials that rest on a rung and go on to the next one now, the highest rung first, the best first.
 * A trial that is not named rests: it may be named later, when more have reached its rung.
 *
 * `asha`: the best third of all that have reached the rung (Li et al., "A system for massively parallel hyperparameter
 * tuning", 2020). `hyperband`: the same inside brackets that start at later rungs (Li et al. 2018). `median`: those no
 * worse than the median of the rung, once five have reached it (Golovin et al., "Google Vizier", 2017). `none`: all.
 */
export function goingOn(pruner: Pruner, climbers: readonly Climber[]): readonly number[] {
  switch (pruner) {
    case 'none':
      return fromTheTop(climbers, everyone)
    case 'asha':
      return fromTheTop(climbers, bestThird)
    case 'hyperband':
      return RUNGS.flatMap((_, bracket) =>
        fromTheTop(
          climbers.filter(({ ordinal }) => bracketOf(ordinal) === bracket),
          (losses, rung) => (rung < bracket ? everyone : bestThird)(losses),
        ),
      )
    case 'median':
      return fromTheTop(climbers, noWorseThanMedian)
    default:
      return unreachable(pruner)
  }
}

/** How many of a rung's losses, ascending with failures as Infinity at the end, go on. */
type Quota = (losses: readonly number[], rung: number) => number

const everyone = (losses: readonly number[]): number => losses.length
const bestThird = (losses: readonly number[]): number => Math.floor(losses.length / ETA)

/** Of fewer the median says little. */
const MEDIAN_OF_MIN = 5

function noWorseThanMedian(losses: readonly number[]): number {
  if (losses.length < MEDIAN_OF_MIN) return losses.length
  const middle = (losses.length - 1) / 2
  const median = ((losses[Math.floor(middle)] ?? Infinity) + (losses[Math.ceil(middle)] ?? Infinity)) / 2
  return losses.filter(loss => loss <= median).length
}

function fromTheTop(climbers: readonly Climber[], quota: Quota): number[] {
  const chosen: number[] = []
  for (let rung = LAST_RUNG - 1; rung >= 0; rung--) {
    const arrived = climbers
      .filter(({ losses }) => losses.length > rung)
      .map(climber => ({ ...climber, loss: finiteOr(climber.losses[rung]) }))
      .sort((a, b) => (a.loss === b.loss ? a.ordinal - b.ordinal : a.loss - b.loss))
    const count = quota(
      arrived.map(({ loss }) => loss),
      rung,
    )
    for (const { ordinal, losses, loss, isRunning } of arrived.slice(0, count))
      if (losses.length === rung + 1 && !isRunning && loss < Infinity) chosen.push(ordinal)
  }
  return chosen
}

const finiteOr = (loss = Infinity): number => (Number.isFinite(loss) ? loss : Infinity)

/**
 * Brackets get about equal fuel: the share of trials is one over the cost of a trial, 3^bracket · rungs left. Dealt by
 * the golden ratio, so that every stretch of ordinals has its share of each.
 */
function bracketOf(ordinal: number): Rung {
  const u = (ordinal * GOLDEN) % 1
  return weighted(bracketShares, u)
}

const bracketShares = RUNGS.map((_, bracket) => 1 / (ETA ** bracket * (RUNGS.length - bracket)))

const GOLDEN = (Math.sqrt(5) - 1) / 2
