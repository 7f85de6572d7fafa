import { z } from 'zod'
import { ExportFile } from '#protocol/exports.ts'
import { CampaignId, ExportId, type Instant, Sha256 } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, recordset, select, selectFirst, Timestamp, toDb } from './rows.ts'

const ExportRow = z.object({
  id: ExportId,
  /** A campaign's id or a month. */
  scope: z.string(),
  campaignId: CampaignId.nullable(),
  requestedAt: Timestamp,
  builtAt: Timestamp.nullable(),
  failedAt: Timestamp.nullable(),
  detail: z.string().nullable(),
  stateSha256: Sha256.nullable(),
  rows: z.int().nullable(),
  files: z.array(ExportFile),
})
export type ExportRow = z.infer<typeof ExportRow>

const SELECT = `
  select e.id, e.scope, e.campaign_id as "campaignId", e.requested_at as "requestedAt", e.built_at as "builtAt",
    e.failed_at as "failedAt", e.detail, e.state_sha256 as "stateSha256", e.row_count as rows,
    coalesce((select jsonb_agg(jsonb_build_object('name', f.name, 'format', f.format, 'sha256', f.sha256, 'bytes', b.bytes)
      order by f.name) from export_files f join files b on b.sha256 = f.sha256 where f.export_id = e.id), '[]') as files
  from exports e`

export const findExport = (on: Executor, id: ExportId): Promise<ExportRow | undefined> =>
  selectFirst(on, ExportRow, `${SELECT} where e.id = :id`, { id })

/** The exports of a campaign (its id) or a month, newest first. */
export const listExports = (on: Executor, scope: string, limit: number): Promise<ExportRow[]> =>
  select(on, ExportRow, `${SELECT} where e.scope = :scope order by e.id desc limit :limit`, { scope, limit })

const INSERT = `
  insert into exports (id, scope, campaign_id, requested_at) values (:id, :scope, :campaignId, :now)
  on conflict do nothing`

/** Asks for an export; false when one of the scope is being built already. */
export const insertExport = async (
  trx: Trx,
  {
    id,
    scope,
    campaignId,
    now,
  }: { id: ExportId; scope: string; campaignId: CampaignId | null; now: Instant },
): Promise<boolean> => (await execute(trx, INSERT, { id, scope, campaignId, now: toDb(now) })) === 1

/** Files and the rows that name them change together: whoever removes a file waits for whoever is adding one, and the other way round. */
export const lockExportFiles = (trx: Trx): Promise<number> =>
  execute(trx, `select pg_advisory_xact_lock(hashtext('export files'))`)

const COMPLETE = `
  with built as (
    update exports set built_at = :now, state_sha256 = :stateSha256, row_count = :rows
    where id = :id and built_at is null and failed_at is null returning id),
  files as (
    select f.* from json_to_recordset(cast(:files as json)) as f(name text, format text, sha256 text, bytes bigint)),
  stored as (
    insert into files (sha256, bytes, kind, created_at)
    select distinct on (f.sha256) f.sha256, f.bytes, 'export', :now from files f, built on conflict do nothing)
  insert into export_files (export_id, name, format, sha256)
  select b.id, f.name, f.format, f.sha256 from files f, built b`

/** Marks an export as ready, with files whose bytes are on the disk; false when it was ready already, and nothing changes. */
export const completeExport = async (
  trx: Trx,
  built: { id: ExportId; stateSha256: Sha256; rows: number; files: readonly ExportFile[]; now: Instant },
): Promise<boolean> =>
  (await execute(trx, COMPLETE, { ...built, files: recordset(built.files), now: toDb(built.now) })) > 0

const FAIL = `
  update exports set failed_at = :now, detail = :detail where id = :id and built_at is null and failed_at is null`

/** Gives an export up, with the reason for whoever asked. */
export const failExport = (
  trx: Trx,
  { id, detail, now }: { id: ExportId; detail: string; now: Instant },
): Promise<number> => execute(trx, FAIL, { id, detail, now: toDb(now) })

const UNBUILT = `
  select id from exports where built_at is null and failed_at is null and requested_at <= :before
  order by id limit :limit`

/** Exports that were asked for until then and are not built. */
export const listUnbuilt = async (
  on: Executor,
  { before, limit }: { before: Instant; limit: number },
): Promise<ExportId[]> =>
  (await select(on, z.object({ id: ExportId }), UNBUILT, { before: toDb(before), limit })).map(row => row.id)

const FORGET = `
  with old as (
    select id from (
      select id, requested_at, built_at, failed_at, row_number() over (partition by scope order by id desc) as place from exports) as e
    where place > :keep and requested_at < :before and (built_at is not null or failed_at is not null)
    order by id limit :limit),
  gone as (delete from export_files using old where export_id = old.id returning export_id, sha256),
  exported as (delete from exports using old where exports.id = old.id)
  delete from files f where f.kind = 'export' and f.sha256 in (select sha256 from gone)
    and not exists (select from export_files x where x.sha256 = f.sha256 and x.export_id not in (select id from old))
  returning f.sha256`

/** Forgets all exports of a scope but the newest `keep` and what is younger; gives the files that nothing names any more. */
export const forgetExports = async (
  trx: Trx,
  { keep, before, limit }: { keep: number; before: Instant; limit: number },
): Promise<Sha256[]> =>
  (await select(trx, z.object({ sha256: Sha256 }), FORGET, { keep, before: toDb(before), limit })).map(
    row => row.sha256,
  )

const NAMED = `select sha256 from files where sha256 = any(:hashes)`

/** Which of these files are named again. */
export const namedFiles = async (trx: Trx, hashes: readonly Sha256[]): Promise<Set<Sha256>> =>
  new Set((await select(trx, z.object({ sha256: Sha256 }), NAMED, { hashes })).map(row => row.sha256))
