import type { z } from 'zod'
import { Sample } from '#protocol/operator.ts'
import type { Instant } from '#protocol/units.ts'
import { type Executor, execute, select, Timestamp, toDb } from './rows.ts'

const SampleRow = Sample.extend({ at: Timestamp })
/** What the console's figures were at one moment. */
export type SampleRow = z.infer<typeof SampleRow>

/** Keeps the figures of a moment; of the same moment taken twice the first stays. */
export const insertSample = (on: Executor, { at, ...figures }: SampleRow): Promise<number> =>
  execute(on, INSERT, { ...figures, at: toDb(at) })

/** Those since then, oldest first. */
export const listSamples = (
  on: Executor,
  { since, limit }: { since: Instant; limit: number },
): Promise<SampleRow[]> => select(on, SampleRow, LIST, { since: toDb(since), limit })

/** Forgets those of before; gives how many. */
export const forgetSamples = (on: Executor, before: Instant): Promise<number> =>
  execute(on, FORGET, { before: toDb(before) })

const INSERT = `
  insert into symptom_samples (at, unsent, in_progress, pending, reported, failed, hosts, lag_seconds, unsealed_seconds,
    dead_letters, database_bytes)
  values (:at, :unsent, :inProgress, :pending, :reported, :failed, :hosts, :lagSeconds, :unsealedSeconds, :deadLetters, :databaseBytes)
  on conflict do nothing`

const LIST = `
  select * from (
    select at, unsent, in_progress as "inProgress", pending, reported, failed, hosts, lag_seconds as "lagSeconds",
      unsealed_seconds as "unsealedSeconds", dead_letters as "deadLetters", database_bytes as "databaseBytes"
    from symptom_samples where at > :since order by at desc limit :limit) as s
  order by at`

const FORGET = `delete from symptom_samples where at < :before`
