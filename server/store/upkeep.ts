import { z } from 'zod'
import type { Instant } from '#protocol/units.ts'
import { type Executor, execute, select, Timestamp, toDb } from './rows.ts'

const UpkeepKind = z.enum(['backup', 'restore_test', 'ledger_check', 'chain_check'])
/** What is done to the server now and then. */
export type UpkeepKind = z.infer<typeof UpkeepKind>

const NOTE = `
  insert into upkeep (kind, done_at, detail) values (:kind, :at, cast(:detail as jsonb))
  on conflict (kind) do update set done_at = excluded.done_at, detail = excluded.detail
    where upkeep.done_at <= excluded.done_at`
const READ = `select kind, done_at as "doneAt" from upkeep`

/** Notes that something was done; a note that comes late changes nothing. */
export async function noteUpkeep(
  on: Executor,
  { kind, at, detail = {} }: { kind: UpkeepKind; at: Instant; detail?: object },
): Promise<void> {
  await execute(on, NOTE, { kind, at: toDb(at), detail: JSON.stringify(detail) })
}

/** When each was last done; what is missing never was. */
export async function readUpkeep(on: Executor): Promise<ReadonlyMap<UpkeepKind, Instant>> {
  const rows = await select(on, z.object({ kind: UpkeepKind, doneAt: Timestamp }), READ)
  return new Map(rows.map(({ kind, doneAt }) => [kind, doneAt]))
}
