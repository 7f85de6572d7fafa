// Dead letters: wake-ups that failed on every retry, and work units that the code cannot get over. They lie in a queue of the jobs;
// one thing may have several, and is one line.

import { z } from 'zod'
import { LetterSubject } from '#protocol/acts.ts'
import { type Executor, select, Timestamp } from './rows.ts'
import { hasQueues } from './symptoms.ts'

const LetterRow = z.object({
  subject: LetterSubject,
  daemon: z.string(),
  count: z.int(),
  firstAt: Timestamp,
  lastAt: Timestamp,
  error: z.string().nullable(),
})
export type LetterRow = z.infer<typeof LetterRow>

interface Wanted {
  /** Where the jobs put what they give up. */
  readonly queue: string
  /** Null: about anything. */
  readonly subjects: readonly LetterSubject[] | null
  readonly limit: number
}

/** Letters by what they are about, the latest first. */
export const listLetters = async (on: Executor, wanted: Wanted): Promise<LetterRow[]> =>
  (await hasQueues(on)) ? select(on, LetterRow, LIST, { ...wanted }) : []

/** Removes all letters about these; gives what there was one about. */
export async function takeLetters(
  on: Executor,
  { queue, subjects }: { queue: string; subjects: readonly LetterSubject[] },
): Promise<LetterSubject[]> {
  if (!(await hasQueues(on))) return []
  const taken = await select(on, z.object({ subject: LetterSubject }), TAKE, { queue, subjects })
  return [...new Set(taken.map(({ subject }) => subject))].sort()
}

const IS_LETTER = `name = :queue and state in ('created', 'retry')`

// The units write theirs themselves; of the others the queue keeps whose they were, and what was thrown.
const LIST = `
  select data->>'id' as subject, coalesce(max(source_name), 'units') as daemon, count(*) as count,
    min(created_on) as "firstAt", max(created_on) as "lastAt",
    left(regexp_replace((array_agg(coalesce(source_output->>'error', data->>'error') order by created_on desc))[1],
      '\\s+', ' ', 'g'), 300) as error
  from pgboss.job
  where ${IS_LETTER} and (cast(:subjects as text[]) is null or data->>'id' = any(:subjects))
  group by data->>'id' order by max(created_on) desc, data->>'id' limit :limit`

const TAKE = `
  delete from pgboss.job where ${IS_LETTER} and data->>'id' = any(:subjects) returning data->>'id' as subject`
