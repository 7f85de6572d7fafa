import { z } from 'zod'
import { type Executor, selectOne, Timestamp } from './rows.ts'

const FactsRow = z.object({
  version: z.int(), // 180004: 18.4
  encoding: z.string(),
  mayCreateSchemas: z.boolean(),
  mayCreateTables: z.boolean(),
  durable: z.boolean(),
  connectionsMax: z.int(),
  now: Timestamp,
})
/** What a database says of itself. */
export type DatabaseFacts = z.infer<typeof FactsRow>

const FACTS = `
  select cast(current_setting('server_version_num') as integer) as version,
    current_setting('server_encoding') as encoding,
    has_database_privilege(current_database(), 'create') as "mayCreateSchemas",
    coalesce(has_schema_privilege(current_schema(), 'create'), false) as "mayCreateTables",
    current_setting('fsync') = 'on' and current_setting('synchronous_commit') <> 'off'
      and current_setting('full_page_writes') = 'on' as durable,
    cast(current_setting('max_connections') as integer) as "connectionsMax",
    clock_timestamp() as now`

export const readDatabaseFacts = (on: Executor): Promise<DatabaseFacts> => selectOne(on, FactsRow, FACTS)
