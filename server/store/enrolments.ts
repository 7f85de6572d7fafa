import { z } from 'zod'
import type { EnrolmentWindow } from '#domain/enrolment.ts'
import { EXCLUSION_MS } from '#domain/trust.ts'
import { addMs, type Instant } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, type Executor, execute, select, Timestamp, toDb } from './rows.ts'

const Count = z.object({ scope: z.string(), count: z.int() })
/** Enrolments of windows by their scope, this one excluded; a window in which there was none is missing. */
export type EnrolmentCounts = ReadonlyMap<string, number>

const asMap = (rows: readonly z.infer<typeof Count>[]): EnrolmentCounts =>
  new Map(rows.map(({ scope, count }) => [scope, count]))

// In order of scope, so that two enrolments never wait for each other. Whoever comes second waits for the first to commit,
// in whichever process it is, and so counts it.
const COUNT = `
  insert into enrolment_counts (scope, since, count)
  select scope, since, 1 from unnest(:scopes::text[], :since::timestamptz[]) as x (scope, since) order by scope
  on conflict (scope, since) do update set count = enrolment_counts.count + 1
  returning scope, count - 1 as count`

/** Counts an enrolment in its windows; returns how many were there before. Rolls back with the enrolment. */
export const countEnrolment = async (
  trx: Trx,
  windows: readonly EnrolmentWindow[],
): Promise<EnrolmentCounts> => asMap(await select(trx, Count, COUNT, bindingsOf(windows)))

const READ = `
  select c.scope, c.count from enrolment_counts c
  join unnest(:scopes::text[], :since::timestamptz[]) as x (scope, since) on c.scope = x.scope and c.since = x.since`

export const readEnrolments = async (
  on: Executor,
  windows: readonly EnrolmentWindow[],
): Promise<EnrolmentCounts> => asMap(await select(on, Count, READ, bindingsOf(windows)))

const EXCLUDED = `
  select at from exclusions
  where owner_key = 'prefix:' || cast(:prefix as text) and at > :since and lifted_at is null`

/** When anonymous hosts of a network were excluded lately. */
export async function readExclusionsOf(on: Executor, prefix: string, now: Instant): Promise<Instant[]> {
  const since = toDb(addMs(now, -EXCLUSION_MS))
  return (await select(on, z.object({ at: Timestamp }), EXCLUDED, { prefix, since })).map(row => row.at)
}

const bindingsOf = (windows: readonly EnrolmentWindow[]) => ({
  scopes: column(windows, window => window.scope),
  since: column(windows, window => toDb(window.since)),
})

const SPEND = `
  insert into spent_challenges (nonce, expires_at) values (:nonce, :expiresAt) on conflict do nothing`

/** Spends a challenge; false when it was spent before, by whichever process. */
export const spendChallenge = async (
  trx: Trx,
  challenge: { nonce: string; expiresAt: Instant },
): Promise<boolean> =>
  (await execute(trx, SPEND, { nonce: challenge.nonce, expiresAt: toDb(challenge.expiresAt) })) === 1

const FORGET_CHALLENGES = `delete from spent_challenges where expires_at < :now`
const FORGET_COUNTS = `delete from enrolment_counts where since < :before`

/** Forgets challenges that are refused as expired anyway, and counts of windows that began before `before`. */
export async function forgetEnrolments(
  trx: Trx,
  { now, before }: { now: Instant; before: Instant },
): Promise<number> {
  const challenges = await execute(trx, FORGET_CHALLENGES, { now: toDb(now) })
  return challenges + (await execute(trx, FORGET_COUNTS, { before: toDb(before) }))
}
