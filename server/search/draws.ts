import { REJECTED_DRAWS_MAX } from '#protocol/limits.ts'
import { type Axis, canonicalValue } from './axis.ts'
import { uniform } from './random.ts'

/** The different points that were drawn of a space without end so far, in order; they grow as more are asked for. */
export interface Drawn {
  /** Of each point the number of its draw. */
  readonly draws: number[]
  readonly seen: Set<string>
  /** How many draws there were, those that gave a point again among them. */
  made: number
}

export const noneDrawn = (): Drawn => ({ draws: [], seen: new Set(), made: 0 })

// A campaign goes on hundreds of times, and would draw all it has each time. A point takes some 80 bytes, of many axes several hundred.
const REMEMBERED_MAX = 1_000_000
const remembered = new Map<string, Drawn>()

/** What was drawn under this name before; those that nobody asked for longest are forgotten, which costs time, nothing else. */
export function drawnUnder(name: string): Drawn {
  const mine = remembered.get(name) ?? noneDrawn()
  remembered.delete(name)
  let points = remembered.values().reduce((sum, { draws }) => sum + draws.length, mine.draws.length)
  for (const [oldest, { draws }] of remembered) {
    if (points <= REMEMBERED_MAX) break
    remembered.delete(oldest)
    points -= draws.length
  }
  remembered.set(name, mine)
  return mine
}

export interface Draws {
  readonly axes: readonly Axis[]
  readonly seed: number
  readonly drawn: Drawn
}

/** The values of point `ordinal`; undefined when so many draws in a row gave what there was that no other is to be expected. */
export function drawnPoint(draws: Draws, ordinal: number): [string, string | number][] | undefined {
  const { drawn } = draws
  while (drawn.draws.length <= ordinal) {
    const rejected = drawn.made - 1 - (drawn.draws.at(-1) ?? -1)
    if (rejected >= REJECTED_DRAWS_MAX) return undefined
    drawNext(draws)
  }
  const draw = drawn.draws[ordinal]
  return draw === undefined ? undefined : valuesOf(draws, draw)
}

// Recipes of one campaign differ where their drawn values do: only those are compared, a hundred thousand times.
function drawNext(draws: Draws): void {
  const { drawn } = draws
  const draw = drawn.made++
  const key = JSON.stringify(valuesOf(draws, draw).map(([, value]) => canonicalValue(value)))
  if (drawn.seen.has(key)) return
  drawn.seen.add(key)
  drawn.draws.push(draw)
}

const valuesOf = ({ axes, seed }: Draws, draw: number): [string, string | number][] =>
  axes.map((axis, i) => [axis.name, axis.draw(uniform(seed, draw, i))])
