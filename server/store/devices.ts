import { z } from 'zod'
import { KeyScope } from '#protocol/keys.ts'
import { type Instant, type Sha256, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, selectFirst, Timestamp, toDb } from './rows.ts'

const DeviceRow = z.object({
  hash: z.string(),
  machine: z.string(),
  address: z.string(),
  scopes: z.array(KeyScope),
  state: z.enum(['waiting', 'approved', 'denied']),
  decidedBy: UserId.nullable(),
  askedAt: Timestamp,
  expiresAt: Timestamp,
  polledAt: Timestamp.nullable(),
  intervalMs: z.int(),
})
export type DeviceRow = z.infer<typeof DeviceRow>

interface NewDevice {
  readonly hash: Sha256
  readonly userCode: string
  readonly machine: string
  readonly address: string
  readonly scopes: readonly KeyScope[]
  readonly now: Instant
  readonly expiresAt: Instant
  readonly intervalMs: number
}

/** Adds a request; false when the code is taken, or `most` wait already. */
export const insertDevice = async (on: Executor, device: NewDevice, most: number): Promise<boolean> =>
  (await execute(on, INSERT, {
    ...device,
    ...{ now: toDb(device.now), expiresAt: toDb(device.expiresAt), most },
  })) === 1

/** The request that a program asks about, locked. */
export const lockDevice = (trx: Trx, hash: Sha256): Promise<DeviceRow | undefined> =>
  selectFirst(trx, DeviceRow, `${SELECT} where hash = :hash for update`, { hash })

/** The request whose code a person entered, unless it is over. */
export const findDevice = (on: Executor, userCode: string, now: Instant): Promise<DeviceRow | undefined> =>
  selectFirst(on, DeviceRow, `${SELECT} where user_code = :userCode and expires_at > :now`, {
    ...{ userCode, now: toDb(now) },
  })

/** Decides a request that waits, once; false when it does not wait any more. */
export const decideDevice = async (
  on: Executor,
  decided: { userCode: string; userId: UserId; state: 'approved' | 'denied'; now: Instant },
): Promise<boolean> => (await execute(on, DECIDE, { ...decided, now: toDb(decided.now) })) === 1

/** Notes that a program asked, and how long it waits until it asks again. */
export const notePoll = (
  trx: Trx,
  poll: { hash: string; now: Instant; intervalMs: number },
): Promise<number> => execute(trx, POLLED, { ...poll, now: toDb(poll.now) })

export const removeDevice = (trx: Trx, hash: string): Promise<number> =>
  execute(trx, `delete from device_requests where hash = :hash`, { hash })

export const forgetDevices = (trx: Trx, now: Instant): Promise<number> =>
  execute(trx, `delete from device_requests where expires_at <= :now`, { now: toDb(now) })

const SELECT = `
  select hash, machine, address, cast(scopes as text[]) as scopes, cast(state as text) as state,
    decided_by as "decidedBy", asked_at as "askedAt", expires_at as "expiresAt", polled_at as "polledAt",
    interval_ms as "intervalMs"
  from device_requests`
const INSERT = `
  insert into device_requests (hash, user_code, machine, address, scopes, asked_at, expires_at, interval_ms)
  select :hash, :userCode, :machine, :address, cast(cast(:scopes as text[]) as scope[]), cast(:now as timestamptz),
    cast(:expiresAt as timestamptz), cast(:intervalMs as integer)
  where (select count(*) from device_requests) < cast(:most as integer)
  on conflict do nothing`
const DECIDE = `
  update device_requests set state = cast(:state as device_state), decided_by = :userId
  where user_code = :userCode and state = 'waiting' and expires_at > :now`
const POLLED = `update device_requests set polled_at = :now, interval_ms = :intervalMs where hash = :hash`
