// What lies among lasting rows and is of use for a time only.

import { z } from 'zod'
import { type Instant, Sha256 } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, select, toDb } from './rows.ts'

interface Stale {
  readonly before: Instant
  readonly limit: number
}

/**
 * Forgets what befell hosts. What a host has not heard yet stays, and so does what counts against it: self-tests that failed, and
 * the last word to who is excluded. Gives how many.
 */
export const forgetHostEvents = (trx: Trx, { before, limit }: Stale): Promise<number> =>
  execute(trx, FORGET_EVENTS, { before: toDb(before), limit })

/** Forgets the words in which hosts told their errors; the code stays. Gives how many. */
export const forgetErrorDetails = (trx: Trx, { before, limit }: Stale): Promise<number> =>
  execute(trx, FORGET_DETAILS, { before: toDb(before), limit })

/**
 * Forgets weights that came and that nothing published names, with what was asked and found about them; gives the files that nothing
 * names any more, to be removed when this is committed.
 */
export async function forgetUnshownWeights(trx: Trx, { before, limit }: Stale): Promise<Sha256[]> {
  const unshown = (await select(trx, FileRow, UNSHOWN, { before: toDb(before), limit })).map(
    row => row.sha256,
  )
  if (unshown.length === 0) return []
  await execute(trx, `delete from evaluations where sha256 = any(:unshown)`, { unshown })
  await execute(trx, `delete from file_requests where sha256 = any(:unshown)`, { unshown })
  await execute(trx, `delete from files where sha256 = any(:unshown)`, { unshown })
  return unshown
}

/** Which of these files are named again, or asked for. */
export const wantedAgain = async (trx: Trx, hashes: readonly Sha256[]): Promise<ReadonlySet<Sha256>> =>
  new Set((await select(trx, FileRow, WANTED_AGAIN, { hashes })).map(row => row.sha256))

const FileRow = z.object({ sha256: Sha256 })

const FORGET_EVENTS = `
  delete from host_events where id in (
    select e.id from host_events e join hosts h on h.id = e.host_id
    where e.at < :before and e.event <> 'self_test_failed'
      and (e.notice is null or (e.told and h.state <> 'quarantined'))
    order by e.at limit :limit)`

const FORGET_DETAILS = `
  update results set error_detail = null where id in (
    select id from results where error_detail is not null and reported_at < :before
    order by reported_at limit :limit for no key update skip locked)`

// A result of a unit that is not published yet may still show its weights; an evaluation that is not over yet needs them. What the
// corpus names is named by a result of the same unit, for which there is an index.
const UNSHOWN = `
  select f.sha256 from files f
  where f.kind = 'artifact' and f.created_at < :before
    and not exists (select from results r join work_units w on w.id = r.work_unit_id
      left join corpus c on c.work_unit_id = w.id and c.artifact_sha256 = f.sha256
      where r.artifact_sha256 = f.sha256 and (w.published_at is null or c.work_unit_id is not null))
    and not exists (select from evaluations e where e.sha256 = f.sha256 and e.outcome is null)
  order by f.created_at limit :limit for update skip locked`

const WANTED_AGAIN = `
  select sha256 from files where sha256 = any(:hashes)
  union select sha256 from file_requests where sha256 = any(:hashes) and received_at is null and given_up_at is null`
