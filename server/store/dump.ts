import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { z } from 'zod'
import { Sha256 } from '#protocol/units.ts'

// Whole tables, in and out, by COPY: the only statements that know no table by name.

/** Runs `work` on a connection of its own, in one transaction without a limit of time. */
export async function inLongTransaction<T>(
  connectionString: string,
  mode: 'read' | 'write',
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString, application_name: 'xeenet-dump', statement_timeout: 0 })
  client.on('error', () => undefined) // what it was doing throws as well
  await client.connect()
  try {
    await client.query(
      mode === 'read'
        ? 'begin isolation level repeatable read, read only'
        : 'begin isolation level read committed',
    )
    const result = await work(client)
    await client.query('commit')
    return result
  } finally {
    await client.end().catch(() => undefined) // ends the transaction too, where it did not commit
  }
}

const ServerRow = z.object({ serverId: z.string(), migrations: z.int(), postgres: z.string() })
const SERVER = `
  select (select value from settings where key = 'server_id') as "serverId",
    (select cast(count(*) as integer) from schema_migrations) as migrations,
    current_setting('server_version') as postgres`

/** What the manifest of a backup says of the database. Throws where no server was ever started. */
export const readServer = async (client: pg.Client): Promise<z.infer<typeof ServerRow>> =>
  ServerRow.parse((await client.query(SERVER)).rows[0])

const TableRow = z.object({ name: z.string(), columns: z.array(z.string()) })
// What migrations wrote down of themselves they write down again.
const TABLES = `
  select c.relname as name, array_agg(cast(a.attname as text) order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = cast(current_schema() as regnamespace) and c.relkind = 'r' and c.relpersistence = 'p'
    and c.relname <> 'schema_migrations' and a.attgenerated = ''
  group by c.relname order by c.relname`
export type DumpedTable = z.infer<typeof TableRow>

export const readTables = async (client: pg.Client): Promise<DumpedTable[]> =>
  z.array(TableRow).parse((await client.query(TABLES)).rows)

const SequenceRow = z.object({ name: z.string(), last: z.string().nullable() }) // null: nothing was taken yet
const SEQUENCES = `
  select sequencename as name, cast(last_value as text) as last from pg_sequences
  where schemaname = current_schema() order by sequencename`
export type DumpedSequence = z.infer<typeof SequenceRow>

export const readSequences = async (client: pg.Client): Promise<DumpedSequence[]> =>
  z.array(SequenceRow).parse((await client.query(SEQUENCES)).rows)

const FileRow = z.object({ sha256: Sha256, bytes: z.coerce.number() })
export const readFileRows = async (client: pg.Client): Promise<z.infer<typeof FileRow>[]> =>
  z.array(FileRow).parse((await client.query('select sha256, bytes from files order by sha256')).rows)

const quoted = (name: string): string => pg.escapeIdentifier(name)
const target = ({ name, columns }: DumpedTable): string =>
  `${quoted(name)} (${columns.map(quoted).join(', ')})`

/** The rows of a table in COPY's text format. */
export const tableOut = (client: pg.Client, table: DumpedTable) =>
  client.query(copyTo(`copy ${target(table)} to stdout`))

/** Takes rows in COPY's text format; `rowCount` is theirs once it is finished. */
export const tableIn = (client: pg.Client, table: DumpedTable) =>
  client.query(copyFrom(`copy ${target(table)} from stdin`))

/** How many rows a table has. */
export async function countRows(client: pg.Client, { name }: DumpedTable): Promise<number> {
  const { rows } = await client.query(`select cast(count(*) as double precision) as n from ${quoted(name)}`)
  return z.object({ n: z.number() }).parse(rows[0]).n
}

const ForeignKey = z.object({ name: z.string(), on: z.string(), definition: z.string() })
const FOREIGN_KEYS = `
  select conname as name, cast(cast(conrelid as regclass) as text) as on, pg_get_constraintdef(oid) as definition
  from pg_constraint where contype = 'f' and connamespace = cast(current_schema() as regnamespace)`

/**
 * Empties all tables, has `fill` write them in any order, and holds every reference against what is there then. Triggers do not fire:
 * what they did is among what is written. Needs the owner of the tables, no superuser.
 */
export async function refill(
  client: pg.Client,
  tables: readonly DumpedTable[],
  fill: () => Promise<void>,
): Promise<void> {
  const names = tables.map(table => quoted(table.name))
  const keys = z.array(ForeignKey).parse((await client.query(FOREIGN_KEYS)).rows)
  for (const { name, on } of keys) await client.query(`alter table ${on} drop constraint ${quoted(name)}`)
  for (const name of names) await client.query(`alter table ${name} disable trigger user`)
  await client.query(`truncate ${names.join(', ')}`)
  await fill()
  for (const name of names) await client.query(`alter table ${name} enable trigger user`)
  for (const { name, on, definition } of keys)
    await client.query(`alter table ${on} add constraint ${quoted(name)} ${definition}`)
}

/** Puts the sequences where they were. */
export async function setSequences(client: pg.Client, sequences: readonly DumpedSequence[]): Promise<void> {
  for (const { name, last } of sequences)
    if (last !== null) await client.query('select setval(cast($1 as regclass), $2)', [quoted(name), last])
}

const IS_BEHIND = `
  select greatest(
      (select max(xid) from transfers), (select max(xid) from campaign_events), (select max(xid) from ticks),
      (select max(last_xid) from blocks)) >= pg_snapshot_xmax(pg_current_snapshot()) as behind`

/**
 * PostgreSQL counts transactions anew in a new cluster, and transfers and events are in the order of their transactions. Where this one
 * has not counted that far, old rows get numbers before all that it will give: 1 for what every reader has read, 2 for what only one
 * has, 3 for the rest, so that no reader misses a row or reads one twice. Returns whether that was necessary.
 */
export async function renumberTransactions(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(IS_BEHIND)
  if (z.object({ behind: z.boolean().nullable() }).parse(rows[0]).behind !== true) return false
  for (const statement of RENUMBER) await client.query(statement)
  return true
}

const LAST = '9007199254740991' // stands behind every id, and is exact as a number

// A reader's place among two readers: behind 1 if it is the one that has read less, else behind 2; both, when they are as far.
const place = (mine: string, other: string): string =>
  `cast(case when (${mine}) <= (${other}) then '1' else '2' end as xid8)`
const numbered = (row: string, a: string, b: string): string => `
  cast(case when (${row}) <= (${a}) and (${row}) <= (${b}) then '1'
    when (${row}) <= (${a}) or (${row}) <= (${b}) then '2' else '3' end as xid8)`

const RENUMBER = [
  `create temporary table readers on commit drop as
    select coalesce((select last_xid from blocks order by number desc limit 1), cast('0' as xid8)) as sealed_xid,
      coalesce((select last_id from blocks order by number desc limit 1), 0) as sealed_id,
      k.transfer_xid, k.transfer_id, k.event_xid, k.event_id, w.xid as hook_xid, w.event_id as hook_id
    from contribution_cursor k, webhook_cursor w`,
  `update transfers set xid = ${numbered('transfers.xid, transfers.id', 'sealed_xid, sealed_id', 'transfer_xid, transfer_id')}
    from readers`,
  `update campaign_events e set xid = ${numbered('e.xid, e.id', 'event_xid, event_id', 'hook_xid, hook_id')} from readers`,
  `update ticks set xid = cast('1' as xid8)`,
  `update blocks set last_xid = ${place('sealed_xid, sealed_id', 'transfer_xid, transfer_id')}, last_id = ${LAST} from readers`,
  `update contribution_cursor set
      transfer_xid = ${place('r.transfer_xid, r.transfer_id', 'sealed_xid, sealed_id')}, transfer_id = ${LAST},
      event_xid = ${place('r.event_xid, r.event_id', 'hook_xid, hook_id')}, event_id = ${LAST}
    from readers r`,
  `update webhook_cursor set xid = ${place('hook_xid, hook_id', 'r.event_xid, r.event_id')}, event_id = ${LAST} from readers r`,
  `update webhooks set since = cast('1' as xid8)`,
]
