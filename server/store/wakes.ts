// When work units are looked at: their rows are the queue.

import { z } from 'zod'
import { type Instant, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, execute, executeOf, select, toDb } from './rows.ts'

/** What a work unit waits for in its row: to be judged, to be published, or for code that gets over it. */
export type Awaited = 'validate' | 'assimilate' | 'repair'

/** That a work unit was touched: which one, and where that is written. */
export interface Touch {
  readonly id: WorkUnitId
  readonly place: string
}

/**
 * Work units that were touched, whose moment has come, or of which a lease has passed its deadline, locked: of each kind up to
 * `limit`, and the touches. Those that somebody else holds are being looked at.
 */
export async function lockDueWorkUnits(
  trx: Trx,
  now: Instant,
  limit: number,
): Promise<{ readonly ids: readonly WorkUnitId[]; readonly touches: readonly Touch[] }> {
  const rows = await select(trx, DueRow, LOCK_DUE, { now: toDb(now), limit })
  const touches = rows.flatMap(({ id, place }) => (place === null ? [] : [{ id, place }]))
  return { ids: rows.map(row => row.id), touches }
}

/** The same of those that wait for one of `stages`, oldest first. */
export async function lockAwaiting(
  trx: Trx,
  stages: readonly Awaited[],
  limit: number,
): Promise<WorkUnitId[]> {
  return (await select(trx, IdRow, LOCK_AWAITING, { stages, limit })).map(row => row.id)
}

/** When to look at locked work units again (null: never), and what they wait for until then. */
export async function setWakes(
  trx: Trx,
  wakes: readonly {
    readonly id: WorkUnitId
    readonly at: Instant | null
    readonly awaits: Awaited | null
  }[],
): Promise<void> {
  if (wakes.length === 0) return
  await execute(trx, SET_WAKES, {
    ids: column(wakes, wake => wake.id),
    moments: column(wakes, wake => toDb(wake.at)),
    awaits: column(wakes, wake => wake.awaits),
  })
}

/** Something changed about locked work units: look at them now. Nothing else asks for it: the row is the request. */
export async function touchWorkUnits(trx: Trx, ids: readonly WorkUnitId[], now: Instant): Promise<void> {
  if (ids.length > 0) await execute(trx, TOUCH, { ids, now: toDb(now) })
}

/** Work units that are locked and looked at now: these touches are heard. Another one is worth one more look. */
export async function takeTouches(trx: Trx, touches: readonly Touch[]): Promise<void> {
  await executeOf(trx, touches, TAKE_TOUCHES, {
    ids: column(touches, touch => touch.id),
    places: column(touches, touch => touch.place),
  })
}

/** The same of all that touched these units, whose rows this transaction wrote. It reads the whole table. */
export async function takeAllTouches(trx: Trx, ids: readonly WorkUnitId[]): Promise<void> {
  await execute(trx, TAKE_ALL_TOUCHES, { ids })
}

const IdRow = z.object({ id: WorkUnitId })
const DueRow = IdRow.extend({ place: z.string().nullable() })

// A lease says nothing to its unit, whose row is large and in many indexes: it would be written twice for each result.
const LOCK_DUE = `
  select id, cast(place as text) as place from (
    select w.id, t.ctid as place from touched_units t join work_units w on w.id = t.work_unit_id
    order by t.at limit :limit for no key update of w skip locked) as touched
  union all
  select id, null from (
    select w.id from live_units l join work_units w on w.id = l.work_unit_id
    where l.wake_at <= :now order by l.wake_at limit :limit for no key update of w skip locked) as woken
  union all
  select id, null from (
    select w.id from results r join work_units w on w.id = r.work_unit_id
    where r.state = 'in_progress' and r.deadline <= :now and w.awaits is distinct from 'repair'
    order by r.deadline limit :limit for no key update of w skip locked) as overdue`

const LOCK_AWAITING = `
  select id from work_units where awaits = any(:stages) order by id limit :limit for no key update skip locked`

const SET_WAKES = `
  with x as materialized (
    select x.*, w.campaign_id, w.published_at is not null as published, w.awaits as awaited, l.work_unit_id is not null as alive,
      l.wake_at as due
    from unnest(:ids::text[], :moments::timestamptz[], :awaits::text[]) as x (id, at, awaits) join work_units w on w.id = x.id
    left join live_units l on l.campaign_id = w.campaign_id and l.work_unit_id = w.id),
  waiting as (
    update work_units w set awaits = x.awaits from x where w.id = x.id and x.awaits is distinct from x.awaited),
  done as (
    delete from live_units l using x
    where l.campaign_id = x.campaign_id and l.work_unit_id = x.id and x.alive and x.published and x.at is null),
  moved as (
    update live_units l set wake_at = x.at from x
    where l.campaign_id = x.campaign_id and l.work_unit_id = x.id and x.due is distinct from x.at
      and not (x.published and x.at is null))
  insert into live_units (campaign_id, work_unit_id, published, wake_at)
  select campaign_id, id, true, at from x where published and not alive and at is not null`

const TOUCH = `insert into touched_units (work_unit_id, at) select id, :now from unnest(:ids::text[]) as x (id)`

// By its place, so that no index has to name the unit (decision 0065). Who rewrote that place meanwhile touched another unit, or this one
// before it was locked.
const TAKE_TOUCHES = `
  delete from touched_units t using unnest(:ids::text[], :places::tid[]) as x (id, place)
  where t.ctid = x.place and t.work_unit_id = x.id`

const TAKE_ALL_TOUCHES = `delete from touched_units where work_unit_id = any(:ids)`
