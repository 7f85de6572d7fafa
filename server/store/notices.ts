import { z } from 'zod'
import { NOTICES_PER_REPLY_MAX } from '#protocol/limits.ts'
import { HostId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, select, Timestamp } from './rows.ts'

const Told = z.object({ hostId: HostId, notice: z.string() })

const TELL = `
  with told as (
    update host_events set told = true where host_id = any(:hostIds) and notice is not null and not told
    returning id, host_id, notice),
  placed as (
    select *, row_number() over (partition by host_id order by id desc) as place from told)
  select host_id as "hostId", notice from placed where place <= :max order by id`

/** What these hosts, which are locked, have not heard yet: of each the newest few, oldest first. All count as told then. */
export const tellNotices = async (trx: Trx, hostIds: readonly HostId[]): Promise<z.infer<typeof Told>[]> =>
  hostIds.length === 0 ? [] : select(trx, Told, TELL, { hostIds, max: NOTICES_PER_REPLY_MAX })

const Shown = z.object({ at: Timestamp, notice: z.string() })

const SHOW = `
  select at, notice from host_events where host_id = :hostId and notice is not null order by id desc limit :limit`

/** The last notices of a host, newest first. */
export const noticesOf = (on: Executor, hostId: HostId, limit: number): Promise<z.infer<typeof Shown>[]> =>
  select(on, Shown, SHOW, { hostId, limit })
