import { z } from 'zod'
import { HostId, ResultId, Sha256 } from '#protocol/units.ts'
import { type Executor, select, selectOne, Timestamp } from './rows.ts'

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

const ProvenRow = z.object({
  serverId: z.string(),
  hostId: HostId,
  resultId: ResultId,
  digest: Sha256,
  signature: z.string(),
  publicKey: z.string(),
})
/** A stored report, and what proves that its host said so. */
type ProvenRow = z.infer<typeof ProvenRow>

// Pages from all over the table: it may be of any size.
const PROVEN = `
  select s.value as "serverId", h.id as "hostId", r.id as "resultId", r.digest, r.signature, h.public_key as "publicKey"
  from results r tablesample system (
    (select least(100, 100 * 2000 / greatest(reltuples, 1)) from pg_class where oid = cast('results' as regclass)))
  join hosts h on h.id = r.host_id join settings s on s.key = 'server_id'
  where r.outcome = 'success' order by random() limit :limit`

/** Some stored reports, by chance. */
export const sampleReports = (on: Executor, limit: number): Promise<ProvenRow[]> =>
  select(on, ProvenRow, PROVEN, { limit })
