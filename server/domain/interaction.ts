import { type Mean, meanOf } from './comparison.ts'

type Value = string | number | boolean

/** An experiment in a question "which `best`, and does it depend on `by`?". */
export interface Cell {
  readonly experimentId: string
  /** Its value of the parameter that is to be chosen, and of the one it may depend on. */
  readonly best: Value
  readonly by: Value
  readonly values: ReadonlyMap<number, number> // by seed index
}

export interface Level {
  readonly by: Value
  readonly best: Value
  readonly experimentId: string
  readonly all: Mean
}

export interface Interaction {
  /** The best value at each level of `by`, chosen on all seeds. */
  readonly levels: readonly Level[]
  /**
   * For the two outermost levels: how much worse each one's choice is at the other, both summed, by seed. Choices are made on the
   * seeds with an even index and compared on those with an odd one, since a minimum over the seeds that chose it flatters itself.
   * Null where both levels choose the same, or a cell was not run.
   */
  readonly contrast: Mean | null
  readonly verdict: 'depends' | 'no_dependence_shown' | 'same_choice' | 'not_measured'
}

type Goal = 'minimize' | 'maximize'

/** Which value is best at each level of another parameter, and whether the choice depends on the level. */
export function interactionOf(cells: readonly Cell[], goal: Goal): Interaction {
  const byLevel = Array.from(Map.groupBy(cells, cell => cell.by)).sort(([a], [b]) => compareValues(a, b))
  const levels = byLevel.flatMap(([by, at]) => {
    const cell = bestOf(at, goal, () => true)
    const all = cell === undefined ? null : meanOf([...cell.values.values()])
    return cell === undefined || all === null
      ? []
      : [{ by, best: cell.best, experimentId: cell.experimentId, all }]
  })
  const [low, high] = [byLevel[0]?.[1], byLevel.length > 1 ? byLevel.at(-1)?.[1] : undefined]
  if (low === undefined || high === undefined) return { levels, contrast: null, verdict: 'not_measured' }
  return { levels, ...contrastOf(low, high, goal) }
}

const isEven = (seed: number): boolean => seed % 2 === 0

function contrastOf(low: readonly Cell[], high: readonly Cell[], goal: Goal): Omit<Interaction, 'levels'> {
  const [ours, theirs] = [bestOf(low, goal, isEven), bestOf(high, goal, isEven)]
  if (ours === undefined || theirs === undefined) return { contrast: null, verdict: 'not_measured' }
  if (ours.best === theirs.best) return { contrast: null, verdict: 'same_choice' }
  const swapped = [
    low.find(({ best }) => best === theirs.best),
    high.find(({ best }) => best === ours.best),
  ] as const
  if (swapped[0] === undefined || swapped[1] === undefined) return { contrast: null, verdict: 'not_measured' }
  const sign = goal === 'minimize' ? 1 : -1
  const differences = Array.from(ours.values.keys())
    .filter(seed => !isEven(seed))
    .flatMap(seed => {
      const four = [swapped[0], ours, swapped[1], theirs].map(cell => cell?.values.get(seed))
      const [a, b, c, d] = four
      return a === undefined || b === undefined || c === undefined || d === undefined
        ? []
        : [sign * (a - b + c - d)]
    })
  const contrast = meanOf(differences)
  if (contrast === null || contrast.ci95 === null) return { contrast, verdict: 'not_measured' }
  return { contrast, verdict: contrast.mean > contrast.ci95 ? 'depends' : 'no_dependence_shown' }
}

// An experiment that lacks a seed that others of its level have diverged there: it is not chosen.
function bestOf(cells: readonly Cell[], goal: Goal, counts: (seed: number) => boolean): Cell | undefined {
  const sign = goal === 'minimize' ? 1 : -1
  const scored = cells.flatMap(cell => {
    const values = Array.from(cell.values).flatMap(([seed, value]) => (counts(seed) ? [value] : []))
    const mean = meanOf(values)
    return mean === null ? [] : [{ cell, n: mean.n, score: sign * mean.mean }]
  })
  const most = Math.max(...scored.map(({ n }) => n))
  return scored.filter(({ n }) => n === most).toSorted((a, b) => a.score - b.score)[0]?.cell
}

const compareValues = (a: Value, b: Value): number =>
  typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1
