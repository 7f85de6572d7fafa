import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { z } from 'zod'
import { readSymptoms } from '#operate/symptoms.ts'
import { systemClock } from '#server/clock.ts'
import { openDatabase } from '#store/database.ts'
import { isUnavailable } from '#store/errors.ts'
import { select, selectOne } from '#store/rows.ts'
import { type Audited, auditDatabase, isLost } from '../audit.ts'
import { acceptedIn, mulberry32 } from '../kill.ts'
import { NOOP_FUEL } from '../load/noop.ts'
import type { Event, Program } from '../process.ts'
import { befall, type Scene } from './befall.ts'
import { type Cast, startCast } from './cast.ts'
import type { Plan } from './draw.ts'
import { startCrowd } from './hosts.ts'
import { isMigrated } from './release.ts'
import { type Stage, statement } from './stage.ts'

export interface RunResult extends Audited {
  readonly seed: number
  readonly faults: readonly string[]
  readonly seconds: number
  /** Calls of the simulated hosts that failed, or reports that were not accepted, by what was said. */
  readonly trouble: Readonly<Record<string, number>>
  /** Letters that the operator was shown about the poison; undefined when there was none. */
  readonly deadLetters?: number
}

/** Something was lost, or did not end; the message says what. */
export class RunFailed extends Error {}

const UNITS = 60
const PATIENCE_MS = 60_000
const LOOK_MS = 100

/** One campaign among faults: from its submission to its last answer, and what the database says then. @throws RunFailed */
export async function runFaults(stage: Stage, plan: Plan): Promise<RunResult> {
  const started = performance.now()
  const name = `run_${plan.seed}`
  const database = await stage.copy(name)
  const knex = openDatabase({ connectionString: database, poolMax: 1, warn: () => undefined })
  const cast = await startCast(stage, name)
  const events: Event[] = []
  try {
    const scene = await play({ stage, plan, cast, database, knex, events })
    const isUpgraded = plan.faults.some(({ kind }) => kind === 'upgrade')
    if (isUpgraded && !(await isMigrated(knex))) throw new RunFailed('the next release never migrated')
    const after = await auditDatabase(database, [...scene.accepted, ...acceptedIn(events)])
    const { trouble, deadLetters } = scene
    const result: RunResult = {
      ...{ seed: plan.seed, faults: plan.faults.map(({ kind }) => kind), ...after, trouble },
      ...(deadLetters === undefined ? {} : { deadLetters }),
      seconds: Number(((performance.now() - started) / 1000).toFixed(1)),
    }
    if (isLost(after) || after.workUnits !== UNITS) throw new RunFailed(JSON.stringify(result, null, 1))
    return result
  } catch (error) {
    console.error(lastWords(cast), error) // what is cleared away below may fail as well, and would then be all that is told
    throw error
  } finally {
    await cast.stop()
    await knex.destroy()
    await stage.drop(name)
  }
}

interface Play {
  readonly stage: Stage
  readonly plan: Plan
  readonly cast: Cast
  readonly database: string
  readonly knex: Knex
  readonly events: Event[]
}

/** From the submission until all has ended. */
async function play({ stage, plan, cast, database, knex, events }: Play) {
  await submit(stage, plan, cast)
  await until(knex, 'the units of the campaign', state => state.units === UNITS)
  const isPoisoned = plan.faults.some(({ kind }) => kind === 'poison')
  if (isPoisoned) await statement(database, POISON)
  const { url } = cast
  const hosts = stage.hosts.map(host => ({ ...host, call: 0 }))
  const crowd = startCrowd({ url, serverId: stage.serverId, hosts, rng: mulberry32(plan.seed + 1) })
  let client: Program | undefined
  const attach = (): void => {
    client = cast.client()
    client.onEvent(event => events.push(event))
  }
  const killClient = async (): Promise<void> => {
    client?.child.kill('SIGKILL')
    await client?.exited
    attach()
  }
  try {
    if (plan.faults.some(({ kind }) => kind === 'kill_client')) attach()
    await letHappen({ stage, cast, crowd, database, killClient }, plan)
    if (isPoisoned) await until(knex, 'every unit but the poisoned one', state => state.open === 1)
    const deadLetters = isPoisoned ? await heal(knex, database) : undefined
    await until(knex, 'the campaign', state => state.open === 0 && state.running === 0)
    return { accepted: crowd.accepted, trouble: Object.fromEntries(crowd.trouble), deadLetters }
  } finally {
    client?.child.kill('SIGKILL')
    await client?.exited
    await crowd.stop()
  }
}

async function submit({ campaignToken }: Stage, { seed, quorum }: Plan, cast: Cast): Promise<void> {
  const response = await fetch(new URL('/api/v1/campaigns', cast.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${campaignToken}` },
    body: JSON.stringify({
      ...{ title: `Run ${seed}`, kernel: 'noop@1', data: 'none@0' },
      metric: { name: 'noise', goal: 'minimize' },
      budget: { fuel_per_run: NOOP_FUEL, runs: UNITS, credits: 1000 },
      ...{ baseline: false, deadline_ms: 2_000 },
      space: { x: { int: [0, 999_999] }, y: { int: [0, 999_999] } },
      sampler: { name: 'random', seed },
      replicate: { quorum, seeds: 1, ...(quorum === 2 ? { policy: 'fixed' } : {}) },
    }),
  })
  if (!response.ok) throw new Error(`the campaign: ${response.status} ${await response.text()}`)
}

/** Each fault at its moment; they may overlap. What one of them throws is told when all are over: none may meet the next run. */
async function letHappen(scene: Scene, { faults }: Plan): Promise<void> {
  const over = await Promise.allSettled(
    faults.map(async fault => {
      await sleep(fault.atMs)
      // A statement of ours may meet a database that another fault has just ended: then there is nothing to do it to.
      await befall(scene, fault).catch((error: unknown) => {
        if (!isUnavailable(error) && !(error instanceof Error && 'code' in error)) throw error
      })
    }),
  )
  const failed = over.find(each => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

const State = z.object({ units: z.int(), open: z.int(), running: z.int() })
const STATE = `
  select count(*)::int as units, count(*) filter (where state = 'open')::int as open,
    (select count(*) from campaigns where state = 'running')::int as running
  from work_units`

/** Looks until it is so. The database may be away for a while. @throws RunFailed after a minute in which no unit ended */
async function until(knex: Knex, what: string, is: (state: z.infer<typeof State>) => boolean): Promise<void> {
  let giveUpAt = performance.now() + PATIENCE_MS
  let seen: z.infer<typeof State> | undefined
  for (;;) {
    const before = seen
    seen = await selectOne(knex, State, STATE).catch(() => seen)
    if (seen !== undefined && is(seen)) return
    if (JSON.stringify(seen) !== JSON.stringify(before)) giveUpAt = performance.now() + PATIENCE_MS
    if (performance.now() > giveUpAt) {
      const open = await select(knex, z.looseObject({}), OPEN).catch(String)
      throw new RunFailed(`${what} did not come, and nothing for a minute: ${JSON.stringify({ seen, open })}`)
    }
    await sleep(LOOK_MS)
  }
}

const OPEN = `
  select w.id, w.awaits, min(l.wake_at) - now() as wakes, array_agg(concat_ws(' ', r.kind, r.lane, r.state, r.outcome, r.verdict,
    case when r.trusted then 'trusted' end, r.deadline - now()) order by r.id) as results
  from work_units w left join results r on r.work_unit_id = w.id
  left join live_units l on l.campaign_id = w.campaign_id and l.work_unit_id = w.id
  where w.state = 'open' group by w.id order by w.id limit 10`

// A report whose validation crashes: whatever is said of the results of one unit, the database refuses.
const POISON = `
  create table poison as select id from work_units order by id limit 1;
  create function refuse_poison() returns trigger language plpgsql as $$
    begin
      if exists (select from poison where id = new.work_unit_id) then raise exception 'poison'; end if;
      return new;
    end $$;
  create trigger poison before update of verdict on results
    for each row when (new.verdict <> 'pending') execute function refuse_poison()`
const HEAL = `
  insert into touched_units (work_unit_id, at) select id, now() from poison;
  drop trigger poison on results; drop function refuse_poison; drop table poison`

/** The poisoned unit has become a letter that the operator is shown; then the code is mended, and the unit looked at again. */
async function heal(knex: Knex, database: string): Promise<number> {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (;;) {
    const { deadLetters } = await readSymptoms(knex, { now: systemClock(), failedShare: 0 })
    if (deadLetters > 0) {
      await statement(database, HEAL)
      return deadLetters
    }
    if (performance.now() > giveUpAt) throw new RunFailed('the operator was not shown the poison in a minute')
    await sleep(LOOK_MS)
  }
}

const lastWords = ({ all }: Cast): string =>
  all.map(process => `--- ${process.name}\n${process.lastWords()}`).join('\n')
