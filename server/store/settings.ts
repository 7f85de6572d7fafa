import { z } from 'zod'
import { type Executor, execute, selectFirst, selectOne } from './rows.ts'

const KEEP = `insert into settings (key, value) values (:key, :value) on conflict do nothing`
const READ = `select value from settings where key = :key`

/** The stored value of a setting that is chosen once: `proposed` if there was none. Of several processes one wins. */
export async function settleOnce(on: Executor, key: string, proposed: string): Promise<string> {
  await execute(on, KEEP, { key, value: proposed })
  return (await selectOne(on, z.object({ value: z.string() }), READ, { key })).value
}

/** A setting; undefined when it was never chosen. */
export const readSetting = async (on: Executor, key: string): Promise<string | undefined> =>
  (await selectFirst(on, z.object({ value: z.string() }), READ, { key }))?.value

/** Answers when the database does; throws when it is away. */
export async function isReady(on: Executor): Promise<void> {
  await selectOne(on, z.object({ one: z.int() }), 'select 1 as one')
}
