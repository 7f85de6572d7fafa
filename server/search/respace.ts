import type { CampaignFile } from '#protocol/campaign.ts'
import { type KernelManifest, sixDigits, valueFault } from '#protocol/kernel.ts'
import { DETAIL_CHARS_MAX } from '#protocol/limits.ts'
import { type Dimension, proposersOf } from '#protocol/space.ts'
import { OPEN_LOOP } from './campaign-search.ts'
import type { History } from './history.ts'
import { lastOutcomes, rungOf } from './outcome.ts'

/** A history whose trials say which experiment each is, and under which revision of the file it was proposed. */
export interface RevisedHistory extends Pick<History, 'reports'> {
  readonly trials: readonly (History['trials'][number] & { readonly id: string; readonly revision: number })[]
}

/** What the agent makes of the space of a campaign, and why. */
export interface Respaced {
  readonly file: CampaignFile
  /** One line for the list of revisions. */
  readonly reason: string
  /** What was seen, with its figures. */
  readonly text: string
  /** The best quarter of the experiments, best first. */
  readonly evidence: readonly string[]
}

// Outcomes under one revision before its space is judged: fewer say more of the sampler's first even draws than of the space.
const OUTCOMES_MIN = 20
const TOP_SHARE = 0.25
// An edge: the best lies in the outer tenth, and at least half of the best quarter in the outer third.
const EDGE = 0.1
const EDGE_REGION = 1 / 3
const EDGE_SHARE_MIN = 0.5
/** By how much of itself a range grows at one end. */
const GROWTH = 0.5
// A range is narrowed when the best quarter fills less than this part of it: to at most twice that, as margins are left on both sides.
const FILLED_MAX = 0.3
const MARGIN_MIN = 0.05

/**
 * The next file of a campaign whose `agent` may move its space: a range widens where the best lies at an end of it, as far as
 * `agent.widen` allows, and narrows to where the best quarter lies if `agent.narrow` says so. Pure: a killed job decides the same again, and
 * a revision is not judged before 20 outcomes under it are known. Undefined: the space stays.
 */
export function nextSpace(
  file: CampaignFile,
  revision: number,
  history: RevisedHistory,
): Respaced | undefined {
  const { agent } = file
  if (agent === undefined) return undefined
  const tried = rankedIn(file, history)
  if (tried.filter(trial => trial.revision === revision).length < OUTCOMES_MIN) return undefined
  const top = tried.slice(0, Math.ceil(TOP_SHARE * tried.length))
  const changes = Object.entries(file.space)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, dimension]) => {
      const scale = scaleOf(dimension)
      if (scale === undefined) return []
      const places = top.map(({ recipe }) => placeOf(scale, recipe[name]))
      const change =
        widened(scale, places, agent.widen[name]) ?? (agent.narrow ? narrowed(scale, places) : undefined)
      return change === undefined ? [] : [{ name, dimension, scale, best: top[0]?.recipe[name], ...change }]
    })
  if (changes.length === 0) return undefined
  const said = changes.map(
    ({ name, ends: [low, high], verb }) => `${name} ${verb} to ${text(low)} … ${text(high)}`,
  )
  const seen = changes.map(({ name, scale: { low, high }, best, why }) => {
    return `${name} was ${text(low)} … ${text(high)}: the best has ${best}, and ${why}.`
  })
  const space = Object.fromEntries(
    changes.map(({ name, dimension, ends }) => [name, withEnds(dimension, ends)]),
  )
  return {
    file: { ...file, space: { ...file.space, ...space } },
    reason: said.join(', ').slice(0, DETAIL_CHARS_MAX),
    text: [
      `The space changes after ${tried.length} experiments: ${said.join(', ')}.`,
      ...seen,
      `What is meant by the best quarter are the ${top.length} experiments named here, best first.`,
    ].join('\n'),
    evidence: top.map(({ id }) => id),
  }
}

/**
 * Whether a space has a point for every run of the file, those included that were tried, since nothing is tried twice: a campaign
 * whose space its agent narrowed must not end before its budget. `spaceSize` null: a continuum.
 */
export const hasRoom = (spaceSize: number | null, { budget }: CampaignFile): boolean =>
  spaceSize === null || spaceSize >= budget.runs

/** Why a kernel or a space cannot take what the agent may do; undefined when they can. The detail names the field. */
export function agentFault(file: CampaignFile, manifest: KernelManifest): string | undefined {
  const { agent, sampler, space } = file
  if (agent === undefined) return undefined
  if (proposersOf(sampler).every(name => OPEN_LOOP.has(name)))
    return `agent: ${sampler.name} does not learn, and leaves no space to be moved: use another sampler`
  for (const [name, [low, high]] of Object.entries(agent.widen)) {
    const scale = space[name] === undefined ? undefined : scaleOf(space[name])
    if (scale === undefined)
      return `agent.widen.${name}: the space has no such range without conditions and steps`
    if (low > scale.low || high < scale.high) return `agent.widen.${name}: the space is not inside it`
    if (scale.isLog && low <= 0) return `agent.widen.${name}: a log scale starts above zero`
    if (scale.isWhole && !(Number.isInteger(low) && Number.isInteger(high)))
      return `agent.widen.${name}: the ends of whole numbers are whole`
    const schema = manifest.recipe.properties[name]
    const fault = schema === undefined ? undefined : (valueFault(schema, low) ?? valueFault(schema, high))
    if (fault !== undefined) return `agent.widen.${name}: ${fault}`
  }
  return undefined
}

interface Scale {
  readonly low: number
  readonly high: number
  readonly isLog: boolean
  readonly isWhole: boolean
}

/** The scale of a range whose ends can be moved; lists, steps and what exists only under a condition stay. */
function scaleOf(dimension: Dimension): Scale | undefined {
  if ('choice' in dimension || dimension.when !== undefined) return undefined
  if ('log' in dimension) {
    const [low, high] = dimension.log
    return { low, high, isLog: true, isWhole: false }
  }
  if (dimension.step !== undefined && dimension.step !== 1) return undefined
  if ('int' in dimension) {
    const [low, high] = dimension.int
    return { low, high, isLog: dimension.scale === 'log', isWhole: true }
  }
  const [low, high] = dimension.float
  return dimension.step === undefined ? { low, high, isLog: false, isWhole: false } : undefined
}

function withEnds(dimension: Dimension, [low, high]: Ends): Dimension {
  const ends: [number, number] = [low, high]
  if ('log' in dimension) return { ...dimension, log: ends }
  if ('int' in dimension) return { ...dimension, int: ends }
  return 'float' in dimension ? { ...dimension, float: ends } : dimension
}

/** Where a value lies between the ends, 0 … 1 inside; NaN for what is no number. */
function placeOf({ low, high, isLog }: Scale, value: unknown): number {
  if (typeof value !== 'number' || low === high) return Number.NaN
  return isLog ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low)
}

function valueAt({ low, high, isLog }: Scale, place: number): number {
  return isLog ? low * (high / low) ** place : low + (high - low) * place
}

type Ends = readonly [number, number]

interface Change {
  readonly verb: 'widens' | 'narrows'
  readonly ends: Ends
  readonly why: string
}

function widened(scale: Scale, places: readonly number[], limits: Ends | undefined): Change | undefined {
  const best = places[0]
  if (limits === undefined || best === undefined) return undefined
  const atLow = places.filter(place => place <= EDGE_REGION).length
  const atHigh = places.filter(place => place >= 1 - EDGE_REGION).length
  const least = EDGE_SHARE_MIN * places.length
  const { low, high, isWhole } = scale
  if (best <= EDGE && atLow >= least) {
    const further = valueAt(scale, -GROWTH)
    const end = Math.max(limits[0], isWhole ? Math.floor(further) : sixDigits(further))
    const why = `${atLow} of the best ${places.length} lie in the lower third`
    if (end < low) return { verb: 'widens', ends: [end, high], why }
  }
  if (best >= 1 - EDGE && atHigh >= least) {
    const further = valueAt(scale, 1 + GROWTH)
    const end = Math.min(limits[1], isWhole ? Math.ceil(further) : sixDigits(further))
    const why = `${atHigh} of the best ${places.length} lie in the upper third`
    if (end > high) return { verb: 'widens', ends: [low, end], why }
  }
  return undefined
}

function narrowed(scale: Scale, places: readonly number[]): Change | undefined {
  const [first, last] = [Math.min(...places), Math.max(...places)]
  const filled = last - first
  if (!(filled <= FILLED_MAX)) return undefined // also where a place is unknown
  const margin = Math.max(filled / 2, MARGIN_MIN)
  const [from, to] = [valueAt(scale, first - margin), valueAt(scale, last + margin)]
  const round = (value: number, whole: (x: number) => number): number =>
    scale.isWhole ? whole(value) : sixDigits(value)
  const low = Math.max(scale.low, round(from, Math.floor))
  const high = Math.min(scale.high, round(to, Math.ceil))
  if (low >= high || (low === scale.low && high === scale.high)) return undefined
  const why = `the best ${places.length} fill ${Math.round(100 * filled)} % of the range`
  return { verb: 'narrows', ends: [low, high], why }
}

/** The trials inside the space that have a value, best first: by rung, then by value; ties in the order of the trials. */
function rankedIn({ space, metric }: CampaignFile, { trials, reports }: RevisedHistory) {
  const sign = metric.goal === 'minimize' ? 1 : -1
  const ranges = Object.entries(space).flatMap(([name, dimension]) => {
    const scale = scaleOf(dimension)
    return scale === undefined ? [] : [{ name, scale }]
  })
  const isInside = (recipe: History['trials'][number]['recipe']): boolean =>
    ranges.every(({ name, scale: { low, high } }) => {
      const value = recipe[name]
      return typeof value === 'number' && value >= low && value <= high
    })
  return Array.from(lastOutcomes({ reports }))
    .flatMap(([ordinal, outcome]) => {
      const trial = trials[ordinal]
      return trial !== undefined && 'value' in outcome && isInside(trial.recipe)
        ? [{ ...trial, ordinal, rung: rungOf(outcome), loss: sign * outcome.value }]
        : []
    })
    .sort((a, b) => b.rung - a.rung || a.loss - b.loss || a.ordinal - b.ordinal)
}

const text = (value: number): string => String(sixDigits(value))
