import { REJECTED_DRAWS_MAX } from '#protocol/limits.ts'
import { type Axis, canonicalValue } from './axis.ts'
import { mix, uniform } from './random.ts'

/** The different points that were drawn of a space without end so far, in order; they grow as more are asked for. */
export interface Drawn {
  /** Of each point the number of its draw. */
  readonly draws: number[]
  /** Where points are found by their values: open addressing over the hashes of those, with room for as many again. */
  places: Places
  /** How many draws there were, those that gave a point again among them. */
  made: number
}

interface Places {
  readonly hashes: Uint32Array
  /** One more than the ordinal of the point whose hash stands there; 0: nobody's. */
  readonly points: Uint32Array
}

const placesFor = (size: number): Places => ({
  hashes: new Uint32Array(size),
  points: new Uint32Array(size),
})
const PLACES_MIN = 64 // a power of two, as every size

export const noneDrawn = (): Drawn => ({ draws: [], places: placesFor(PLACES_MIN), made: 0 })

// A campaign goes on hundreds of times, and would draw all it has each time. A point takes 24 to 40 bytes, however many axes it has.
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
  const key = keyOf(draws, draw)
  const hash = hashOf(key)
  const isSame = (point: number): boolean => keyOf(draws, drawn.draws[point - 1] ?? -1) === key
  const place = placeOf(drawn.places, hash, isSame)
  if (drawn.places.points[place] !== 0) return
  const point = drawn.draws.push(draw)
  put(drawn.places, { place, hash, point })
  if (2 * point >= drawn.places.points.length) drawn.places = twiceAsMany(drawn.places)
}

/** Where the point of this hash stands, or would stand. */
function placeOf({ hashes, points }: Places, hash: number, isSame: (point: number) => boolean): number {
  const mask = points.length - 1
  for (let place = hash & mask; ; place = (place + 1) & mask) {
    const point = points[place] ?? 0
    if (point === 0 || (hashes[place] === hash && isSame(point))) return place
  }
}

function put(
  { hashes, points }: Places,
  { place, hash, point }: Record<'place' | 'hash' | 'point', number>,
): void {
  hashes[place] = hash
  points[place] = point
}

function twiceAsMany({ hashes, points }: Places): Places {
  const places = placesFor(points.length * 2)
  for (const [i, point] of points.entries()) {
    const hash = hashes[i] ?? 0
    if (point !== 0) put(places, { place: placeOf(places, hash, () => false), hash, point })
  }
  return places
}

/** 32 bits of a text: it only says where to look first. */
function hashOf(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = mix(hash ^ text.charCodeAt(i))
  return hash
}

const keyOf = (draws: Draws, draw: number): string =>
  JSON.stringify(valuesOf(draws, draw).map(([, value]) => canonicalValue(value)))

const valuesOf = ({ axes, seed }: Draws, draw: number): [string, string | number][] =>
  axes.map((axis, i) => [axis.name, axis.draw(uniform(seed, draw, i))])
