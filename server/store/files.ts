import { z } from 'zod'
import { HostId, type Instant, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import { type Executor, execute, executeOf, select, selectFirst, toDb } from './rows.ts'

export const FileKind = z.enum(['kernel', 'data', 'artifact', 'hidden', 'export'])
export type FileKind = z.infer<typeof FileKind>

const FileRow = z.object({ sha256: Sha256, bytes: z.int(), kind: FileKind, embargoed: z.boolean() })
/** A stored file. An artifact is under embargo until a published unit shows it (DESIGN §8), a hidden text always. */
export type FileRow = z.infer<typeof FileRow>

const FIND = `
  select f.sha256, f.bytes, f.kind, f.kind = 'hidden' or f.kind = 'artifact' and not exists (
    select from results r join work_units w on w.id = r.work_unit_id
    where r.artifact_sha256 = f.sha256 and w.published_at is not null) as embargoed
  from files f where f.sha256 = :sha256`

export const findFile = (on: Executor, sha256: Sha256): Promise<FileRow | undefined> =>
  selectFirst(on, FileRow, FIND, { sha256 })

const Named = z.object({ sha256: Sha256 })
const LIST = `select sha256 from files order by created_at desc, sha256 limit :limit`

/** All files, or the newest ones. */
export const listFiles = (on: Executor, limit: number | null = null): Promise<z.infer<typeof Named>[]> =>
  select(on, Named, LIST, { limit })

const INSERT = `
  insert into files (sha256, bytes, kind, created_at) values (:sha256, :bytes, :kind, :now)
  on conflict do nothing`

/** Records a file whose bytes are already kept (blobs.ts). */
export async function insertFile(
  on: Executor,
  { now, ...file }: { sha256: Sha256; bytes: number; kind: FileKind; now: Instant },
): Promise<void> {
  await execute(on, INSERT, { ...file, now: toDb(now) })
}

const ASK = `
  insert into file_requests (result_id, host_id, sha256, requested_at)
  select id, host_id, artifact_sha256, :now from results
  where id = any(:resultIds) and artifact_sha256 is not null and host_id is not null
    and not exists (select from files where sha256 = artifact_sha256)
  on conflict do nothing`

/** Asks the hosts of these results for the artifacts they committed to; returns how many are newly asked for. */
export const requestArtifacts = (
  on: Executor,
  resultIds: readonly ResultId[],
  now: Instant,
): Promise<number> => executeOf(on, resultIds, ASK, { resultIds, now: toDb(now) })

const Wanted = z.object({ hostId: HostId, resultId: ResultId, sha256: Sha256 })
export type Wanted = z.infer<typeof Wanted>

const WANTED = `
  select host_id as "hostId", result_id as "resultId", sha256 from file_requests
  where received_at is null and given_up_at is null and host_id = any(:hostIds) order by requested_at, result_id`

/** What these hosts are asked for and have not sent, the oldest request first. */
export async function wantedOf(on: Executor, hostIds: readonly HostId[]): Promise<Wanted[]> {
  return hostIds.length === 0 ? [] : select(on, Wanted, WANTED, { hostIds })
}

const RECEIVE = `
  update file_requests set received_at = :now
  where host_id = :hostId and sha256 = :sha256 and received_at is null`

/** Marks what was asked of this host as received. */
export const receiveFile = (
  on: Executor,
  { hostId, sha256, now }: { hostId: HostId; sha256: Sha256; now: Instant },
): Promise<number> => execute(on, RECEIVE, { hostId, sha256, now: toDb(now) })

const Overdue = z.object({ resultId: ResultId, hostId: HostId, workUnitId: WorkUnitId })

/** Gives up what was asked for before then and did not come; gives whose it was. */
export const giveUpRequests = (
  on: Executor,
  { before, now, limit }: { before: Instant; now: Instant; limit: number },
): Promise<z.infer<typeof Overdue>[]> =>
  select(on, Overdue, GIVE_UP, { before: toDb(before), now: toDb(now), limit })

const GIVE_UP = `
  with overdue as (
    update file_requests set given_up_at = :now where result_id in (
      select result_id from file_requests
      where received_at is null and given_up_at is null and requested_at < :before
      order by requested_at limit :limit for update skip locked)
    returning result_id)
  select r.id as "resultId", r.host_id as "hostId", r.work_unit_id as "workUnitId"
  from overdue o join results r on r.id = o.result_id where r.host_id is not null order by r.id`
