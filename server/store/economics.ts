import { z } from 'zod'
import { HostId, type Instant, WorkUnitId } from '#protocol/units.ts'
import { type Executor, select, selectOne, toDb } from './rows.ts'

const Supply = z.object({
  /** Volunteers' hosts heard since then that nothing proves. */
  unproven: z.int(),
  /** Of the verifiers heard since then. */
  verifierCores: z.int(),
  openCanaries: z.int(),
})

/** What the supply of canaries depends on. */
export const readSupply = (on: Executor, since: Instant): Promise<z.infer<typeof Supply>> =>
  selectOne(on, Supply, SUPPLY, { since: toDb(since) })

/** Open units of which nothing but one unsent replica exists, in the order of dispatch. */
export async function listUntouched(on: Executor, limit: number): Promise<WorkUnitId[]> {
  return (await select(on, z.object({ id: WorkUnitId }), UNTOUCHED, { limit })).map(row => row.id)
}

/** Locked units without a lease are canaries from now on; gives which. */
export async function makeCanaries(on: Executor, ids: readonly WorkUnitId[]): Promise<WorkUnitId[]> {
  return (await select(on, z.object({ id: WorkUnitId }), MAKE_CANARIES, { ids })).map(row => row.id)
}

const Waiting = z.object({ hostId: HostId, units: z.array(WorkUnitId) })

/**
 * Hosts whose oldest provisional result was reported before `waitsSince`, or that were not heard since `silentSince`, each
 * with its units that stand provisionally; not those of which the verifier is to look at one already.
 */
export function listWaiting(
  on: Executor,
  { waitsSince, silentSince, limit }: { waitsSince: Instant; silentSince: Instant; limit: number },
): Promise<z.infer<typeof Waiting>[]> {
  const moments = { waitsSince: toDb(waitsSince), silentSince: toDb(silentSince) }
  return select(on, Waiting, WAITING, { ...moments, limit })
}

/** Whether any work unit is open, of whatever campaign. */
export const isAnythingOpen = async (on: Executor): Promise<boolean> =>
  (await selectOne(on, z.object({ isOpen: z.boolean() }), ANYTHING_OPEN)).isOpen

/** Takes the daemon's turn until the transaction ends; false: another process has it. */
export const lockDaemon = async (on: Executor): Promise<boolean> =>
  (await selectOne(on, z.object({ mine: z.boolean() }), LOCK_DAEMON)).mine

const SUPPLY = `
  select
    (select count(*) from hosts h where not h.trusted and h.state = 'active' and h.last_seen_at > :since
      and not exists (select from streaks s where s.host_id = h.id and s.count >= 10)) as unproven,
    (select coalesce(sum(cores), 0) from hosts where trusted and state = 'active' and last_seen_at > :since)
      as "verifierCores",
    (select count(*) from live_units u join work_units w on w.id = u.work_unit_id where u.canary and w.state = 'open')
      as "openCanaries"`

const UNTOUCHED = `
  select w.id from results r join work_units w on w.id = r.work_unit_id
  where r.state = 'unsent' and r.lane = 'anyone' and w.state = 'open' and w.policy = 'adaptive' and not w.canary
    and w.wanted_check <> 'verifier' and not exists (select from results o where o.work_unit_id = w.id and o.id <> r.id)
  order by r.priority desc, w.id limit :limit`

const MAKE_CANARIES = `
  with made as (
    update work_units w set canary = true
    where w.id = any(:ids) and w.state = 'open' and not w.canary
      and not exists (select from results r where r.work_unit_id = w.id and r.state <> 'unsent')
    returning w.id, w.campaign_id)
  update live_units u set canary = true from made m where u.campaign_id = m.campaign_id and u.work_unit_id = m.id
  returning m.id`

const WAITING = `
  select h.id as "hostId", array_agg(w.id order by r.reported_at, r.id) as units
  from provisional_results p join hosts h on h.id = p.host_id join results r on r.id = p.result_id
  join work_units w on w.id = p.work_unit_id
  group by h.id, h.last_seen_at
  having (min(r.reported_at) <= :waitsSince or h.last_seen_at <= :silentSince)
    and not bool_or(w.wanted_check = 'verifier')
  order by h.id limit :limit`

const ANYTHING_OPEN = `
  select exists (select from live_units u join work_units w on w.id = u.work_unit_id where w.state = 'open') as "isOpen"`

const LOCK_DAEMON = `select pg_try_advisory_xact_lock(hashtext('economics')) as mine`
