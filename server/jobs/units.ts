// The life of work units (DESIGN §6), batch by batch. Their own rows say what is due, so that one transaction takes hundreds
// of them as far as they go: what a report brings about is judged, paid and published at once.

import { setTimeout as sleep } from 'node:timers/promises'
import { invariant } from '#domain/invariant.ts'
import { settledBy } from '#domain/settled.ts'
import { type Effect, isWanted, transition } from '#domain/transition.ts'
import { addMs, type HostId, type Instant, type WorkUnitId } from '#protocol/units.ts'
import { inBusyTransaction, type Trx } from '#store/database.ts'
import { isUnavailable } from '#store/errors.ts'
import { lockVolunteers } from '#store/standing.ts'
import {
  lockAwaiting,
  lockDueWorkUnits,
  setWakes,
  type Touch,
  takeAllTouches,
  takeTouches,
} from '#store/wakes.ts'
import { type LoadedWorkUnit, lockWorkUnits, publishWorkUnits, readLocked } from '#store/work-units.ts'
import { applyDecisions } from './apply.ts'
import { DEAD_QUEUE, type JobDeps, STAGES, type Stage } from './deps.ts'
import { gatherWakes } from './gather-wakes.ts'
import { publishAnswers } from './publish.ts'
import { applySettlements, paySettlements } from './settle.ts'
import { learnBounds } from './tolerance.ts'
import { judgeUnits, type Verdicts } from './validate.ts'

// Enough that what each transaction costs by itself does not show. Whoever reports waits for the hosts of a batch, so not more.
const UNITS_PER_BATCH = 200

/** Moves the units that are due, one batch; gives which. A batch that fails is tried in halves, so that a poison unit stops only itself. */
export const moveDueUnits = async (
  deps: JobDeps,
  stages: readonly Stage[] = STAGES,
  limit = UNITS_PER_BATCH,
): Promise<readonly WorkUnitId[]> => (await moveDue(deps, stages, limit)).moved

/** As `moveDueUnits`; gives what was due, too, of which more is left the more hosts are calling. */
async function moveDue(deps: JobDeps, stages: readonly Stage[], limit: number): Promise<Moved> {
  let taken: Taken = { ids: [], touches: [] }
  try {
    return await inBusyTransaction(deps.knex, async trx => {
      taken = await takeDue(trx, deps, stages, limit)
      const { ids, touches } = taken
      const moved = await move(trx, deps, await readLocked(trx, ids), { stages, touches, hosts: 'free' })
      return { due: ids.length, moved }
    })
  } catch (error) {
    await moveHalves(deps, { ...taken, stages }, error)
  }
  return { due: taken.ids.length, moved: taken.ids }
}

interface Moved {
  readonly due: number
  readonly moved: readonly WorkUnitId[]
}

/** Moves these units as far as these stages take them; safe to run twice and to be killed at any line. Waits for their hosts. */
export async function moveUnits(
  deps: JobDeps,
  ids: readonly WorkUnitId[],
  stages: readonly Stage[] = STAGES,
  touches: readonly Touch[] = [],
): Promise<void> {
  await inBusyTransaction(deps.knex, async trx =>
    move(trx, deps, await lockWorkUnits(trx, ids), { stages, touches, hosts: 'all' }),
  )
}

/** Units that are due, locked, and what touched them. */
interface Taken {
  readonly ids: readonly WorkUnitId[]
  readonly touches: readonly Touch[]
}

async function takeDue(trx: Trx, { now }: JobDeps, stages: readonly Stage[], limit: number): Promise<Taken> {
  const answers = stages.filter(stage => stage !== 'transition')
  const awaiting = answers.length === 0 ? [] : await lockAwaiting(trx, answers, limit)
  const due = stages.includes('transition')
    ? await lockDueWorkUnits(trx, now(), limit - awaiting.length)
    : { ids: [], touches: [] }
  return { ids: [...new Set([...awaiting, ...due.ids])].sort(), touches: due.touches }
}

interface Decided {
  readonly loaded: LoadedWorkUnit
  readonly effects: readonly Effect[]
}

interface Moving extends Pick<Taken, 'touches'> {
  readonly stages: readonly Stage[]
  /** `free`: units of which somebody else holds a host, who calls or is judged right now, are left for the next time. */
  readonly hosts: 'all' | 'free'
}

/** Gives the units that it moved. */
async function move(
  trx: Trx,
  given: JobDeps,
  units: readonly LoadedWorkUnit[],
  { stages, touches, hosts }: Moving,
): Promise<readonly WorkUnitId[]> {
  if (units.length === 0) return []
  const { deps, write: writeWakes } = gatherWakes(given)
  const now = deps.now()
  const does = (stage: Stage): boolean => stages.includes(stage)
  const decide = (loaded: LoadedWorkUnit): Decided => ({
    loaded,
    effects: transition(loaded.workUnit, loaded.results, now),
  })
  const isJudged = ({ effects }: Decided): boolean =>
    does('validate') && isWanted('request_validation', effects)
  const due = units.map(decide)
  const before = await lockVolunteers(trx, due.filter(isJudged).flatMap(hostsOf), hosts)
  const first = due.filter(each => !isJudged(each) || hostsOf(each).every(id => before.has(id)))
  const moved = new Set(first.map(({ loaded }) => loaded.workUnit.id))
  const heard = touches.filter(({ id }) => moved.has(id))
  const [, verdicts] = await Promise.all([
    takeTouches(trx, heard),
    judge(trx, deps, first.filter(isJudged), { before, now }),
  ])
  const settlements = new Map(verdicts?.settlements.map(settlement => [settlement.workUnitId, settlement]))
  const decided = first.map(each => {
    const settlement = settlements.get(each.loaded.workUnit.id)
    return settlement === undefined ? each : decide(settledBy(each.loaded, settlement))
  })
  // What takes the place of another answer is published next time: first its campaign hears that the other one is gone.
  const isNew = ({ loaded }: Decided): boolean => settlements.get(loaded.workUnit.id)?.overturned !== true
  const isReady = (each: Decided): boolean => isWanted('publish', each.effects) && isNew(each)
  const ready = does('assimilate') ? decided.filter(isReady) : []
  const published = new Set(ready.map(({ loaded }) => loaded.workUnit.id))
  if (verdicts !== undefined) await applySettlements(trx, deps, { ...verdicts, published })
  if (does('transition')) await applyDecisions(trx, deps, decided.map(withoutAnswers(published)), now)
  else await handBack(trx, decided, published, now)
  await publish(trx, deps, { ready, settlements, verdicts, now })
  await writeWakes(trx)
  if (verdicts !== undefined) {
    await paySettlements(trx, verdicts)
    await learnBounds(trx, verdicts)
  }
  return [...moved]
}

/** Who reported on a unit: judging it changes how they stand. */
const hostsOf = ({ loaded: { results } }: Decided): HostId[] =>
  results.flatMap(result => (result.state === 'over' && result.outcome === 'success' ? [result.hostId] : []))

async function judge(
  trx: Trx,
  deps: JobDeps,
  decided: readonly Decided[],
  facts: Pick<Verdicts, 'before' | 'now'>,
): Promise<Verdicts | undefined> {
  if (decided.length === 0) return undefined
  return judgeUnits(
    trx,
    deps,
    decided.map(({ loaded }) => loaded.workUnit),
    facts,
  )
}

/** What a decision asks for but the answers that were given in the same transaction. */
const withoutAnswers =
  (published: ReadonlySet<WorkUnitId>) =>
  ({ loaded: { workUnit }, effects }: Decided) => ({
    workUnit,
    effects: published.has(workUnit.id)
      ? effects.filter(({ type }) => type !== 'publish' && type !== 'wake')
      : effects,
  })

/** What a process that only answers has not published goes back to the transitioner. */
const handBack = (
  trx: Trx,
  decided: readonly Decided[],
  published: ReadonlySet<WorkUnitId>,
  now: Instant,
): Promise<void> =>
  setWakes(
    trx,
    decided.flatMap(({ loaded: { workUnit } }) =>
      published.has(workUnit.id) ? [] : [{ id: workUnit.id, at: now, awaits: null }],
    ),
  )

interface Ready {
  readonly ready: readonly Decided[]
  readonly settlements: ReadonlyMap<WorkUnitId, Verdicts['settlements'][number]>
  readonly verdicts: Verdicts | undefined
  readonly now: Instant
}

const NOTHING_READ = { outputs: new Map(), successes: [] }

async function publish(trx: Trx, deps: JobDeps, facts: Ready): Promise<void> {
  const { ready, settlements, verdicts, now } = facts
  const units = ready.map(({ loaded }) => loaded)
  // Those that were closed with an answer just now were published with it.
  const others = units.flatMap(({ workUnit: { id } }) => {
    const isAccepted = (settlements.get(id)?.canonicalId ?? null) !== null
    return isAccepted ? [] : [id]
  })
  const count = others.length === 0 ? 0 : await publishWorkUnits(trx, others, now)
  invariant(count === others.length, 'what is locked and closed is published once')
  await publishAnswers(trx, deps, units, verdicts ?? NOTHING_READ, now)
}

interface Failed extends Taken {
  readonly stages: readonly Stage[]
}

async function moveHalves(deps: JobDeps, { ids, stages, touches }: Failed, error: unknown): Promise<void> {
  if (ids.length === 0 || isUnavailable(error)) throw error
  if (ids.length === 1) return bury(deps, ids, error)
  deps.log.warn({ ids, error: messageOf(error) }, 'a batch failed: trying it in halves')
  const middle = Math.ceil(ids.length / 2)
  for (const half of [ids.slice(0, middle), ids.slice(middle)]) {
    try {
      await moveUnits(deps, half, stages, touches)
    } catch (failure) {
      await moveHalves(deps, { ids: half, stages, touches }, failure)
    }
  }
}

// What a handler throws may quote a whole report.
const WHY_CHARS_MAX = 2_000

// A work unit that the code cannot get over comes back this often, until somebody mends the code.
const POISON_MS = 5 * 60_000

/** Puts a unit off that the code cannot get over, and says so to the operator. */
async function bury(deps: JobDeps, ids: readonly WorkUnitId[], error: unknown): Promise<void> {
  const stack = error instanceof Error ? error.stack : undefined
  deps.log.error({ ids, error: messageOf(error), stack }, 'a work unit failed')
  await inBusyTransaction(deps.knex, async trx => {
    const at = addMs(deps.now(), POISON_MS)
    await setWakes(
      trx,
      ids.map(id => ({ id, at, awaits: 'repair' })),
    )
    await takeAllTouches(trx, ids) // also those that nobody looked up: else it would come back at once
    await deps.enqueue(trx, DEAD_QUEUE, ids, messageOf(error).slice(0, WHY_CHARS_MAX))
  })
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

// A look at an index that finds nothing costs a tenth of a millisecond, a batch by itself as much as dozens of units: who found few
// lets some gather.
const GATHER_MS = 60
const FEW_UNITS = UNITS_PER_BATCH / 2
const AWAY_MS = 1_000
// While PostgreSQL works for one batch this process works for the other.
const MOVERS = 2

/** Moves one batch and gives how much was due. What is left, as its hosts are calling, is no less due, unless nearly all of it is left. */
async function findAndMove(deps: JobDeps, stages: readonly Stage[]): Promise<number> {
  const { due, moved } = await moveDue(deps, stages, UNITS_PER_BATCH)
  return moved.length * 10 < due ? moved.length : due
}

/** Moves what is due, again and again. `stop` waits for the batch in hand. */
export function startUnits(deps: JobDeps, stages: readonly Stage[]): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const rest = (ms: number): Promise<unknown> =>
    sleep(ms, undefined, { signal: stopping.signal }).catch(() => undefined) // it is stopped: that is no failure
  let isMuch = false // of what is little each would have half a batch
  const work = async (isFirst: boolean): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const found = isFirst || isMuch ? await findAndMove(deps, stages) : 0
        if (isFirst) isMuch = found >= FEW_UNITS
        if (found < FEW_UNITS) await rest(GATHER_MS)
      } catch (error) {
        deps.log.warn({ error: messageOf(error) }, 'work units could not be looked at: trying again')
        await rest(AWAY_MS)
      }
    }
  }
  const ended = Promise.all(Array.from({ length: MOVERS }, (_, i) => work(i === 0)))
  return {
    stop: async () => {
      stopping.abort()
      await ended
    },
  }
}
