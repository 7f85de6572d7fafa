import { z } from 'zod'
import type { Admitted } from '#domain/proposals.ts'
import { KernelManifest } from '#protocol/kernel.ts'
import { ProposalState, Reason } from '#protocol/proposals.ts'
import { type Instant, ProposalId, Sha256, UserId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

const ProposalRow = z.object({
  id: ProposalId,
  ownerId: UserId,
  state: ProposalState,
  releaseSha256: Sha256,
  bytes: z.int(),
  manifest: KernelManifest.nullable(),
  moduleSha256: Sha256.nullable(),
  reasons: z.array(Reason),
  rebuilt: z.boolean().nullable(),
  submittedAt: Timestamp,
  decidedAt: Timestamp.nullable(),
})
/** A proposal without its bytes. */
export type ProposalRow = z.infer<typeof ProposalRow>

const COLUMNS = `
  id, owner_id as "ownerId", state, release_sha256 as "releaseSha256", bytes, manifest,
  module_sha256 as "moduleSha256", reasons, rebuilt, submitted_at as "submittedAt", decided_at as "decidedAt"`

export const findProposal = (on: Executor, id: ProposalId): Promise<ProposalRow | undefined> =>
  selectFirst(on, ProposalRow, `select ${COLUMNS} from kernel_proposals where id = :id`, { id })

const LIST = `
  select ${COLUMNS} from kernel_proposals
  where (:all or owner_id = :ownerId) and id < :before order by id desc limit :limit`
const AFTER_EVERY_ID = 'l'

/** From the newest on: one owner's, or with `all` everybody's. */
export const listProposals = (
  on: Executor,
  page: { ownerId: UserId; all: boolean; before: ProposalId | undefined; limit: number },
): Promise<ProposalRow[]> => select(on, ProposalRow, LIST, { ...page, before: page.before ?? AFTER_EVERY_ID })

const LOCK_OWNER = `select id from users where id = :ownerId for update`
const FIND_SAME = `select ${COLUMNS} from kernel_proposals where owner_id = :ownerId and release_sha256 = :releaseSha256`
const COUNT = `
  select cast(count(*) filter (where state in ('received', 'checked')) as int) as open,
    cast(count(*) filter (where submitted_at > :since) as int) as recent
  from kernel_proposals where owner_id = :ownerId`
const INSERT = `
  insert into kernel_proposals (id, owner_id, release_sha256, bytes, release, submitted_at)
  values (:id, :ownerId, :releaseSha256, :bytes, decode(:base64, 'base64'), :now)`

/** What this owner has proposed: the same release, how many wait, and how many came since then. Locks the owner. */
export async function proposalsOf(
  trx: Trx,
  { ownerId, releaseSha256, since }: { ownerId: UserId; releaseSha256: Sha256; since: Instant },
): Promise<{ same: ProposalRow | undefined; open: number; recent: number }> {
  await execute(trx, LOCK_OWNER, { ownerId }) // two submissions at once are counted one after the other
  const same = await selectFirst(trx, ProposalRow, FIND_SAME, { ownerId, releaseSha256 })
  const counts = z.object({ open: z.int(), recent: z.int() })
  return { same, ...(await selectOne(trx, counts, COUNT, { ownerId, since: toDb(since) })) }
}

export async function insertProposal(
  trx: Trx,
  {
    release,
    now,
    ...proposal
  }: Pick<ProposalRow, 'id' | 'ownerId' | 'releaseSha256'> & {
    release: Uint8Array
    now: Instant
  },
): Promise<void> {
  const base64 = Buffer.from(release).toString('base64')
  await execute(trx, INSERT, { ...proposal, bytes: release.length, base64, now: toDb(now) })
}

const READ = `select encode(release, 'base64') as base64 from kernel_proposals where id = :id and release is not null`

/** The bytes of a proposal that is not decided on. */
export async function readProposal(on: Executor, id: ProposalId): Promise<Uint8Array | undefined> {
  const row = await selectFirst(on, z.object({ base64: z.string() }), READ, { id })
  return row === undefined ? undefined : new Uint8Array(Buffer.from(row.base64, 'base64'))
}

const LOCK = `select ${COLUMNS} from kernel_proposals where id = :id for update`

export const lockProposal = (trx: Trx, id: ProposalId): Promise<ProposalRow | undefined> =>
  selectFirst(trx, ProposalRow, LOCK, { id })

const IS_OPERATOR = `select 'operator' = any(roles) as "isOperator" from users where id = :ownerId`
const NAMESAKES = `select owner_id as "ownerId", version, serial from kernels where name = :name for update`
const SAME_MODULE = `select name || '@' || version as "moduleAs" from kernels where module_sha256 = :moduleSha256`
// Two admissions of one new name have no row to wait for each other on.
const LOCK_NAME = `select pg_advisory_xact_lock(hashtextextended('kernel:' || :name, 0))`

/** What is admitted beside which a release must stand, locked until the transaction ends; and whether its owner is an operator. */
export async function lockAdmitted(
  trx: Trx,
  { ownerId, name, moduleSha256 }: { ownerId: UserId; name: string; moduleSha256: Sha256 },
): Promise<Admitted & { isOperator: boolean }> {
  await trx.raw(LOCK_NAME, { name })
  const namesake = z.object({ ownerId: UserId.nullable(), version: z.int(), serial: z.int() })
  const namesakes = await select(trx, namesake, NAMESAKES, { name })
  const same = await selectFirst(trx, z.object({ moduleAs: z.string() }), SAME_MODULE, { moduleSha256 })
  const owner = await selectOne(trx, z.object({ isOperator: z.boolean() }), IS_OPERATOR, { ownerId })
  return { namesakes, moduleAs: same?.moduleAs, ...owner }
}

// Setter of every state but the first. A proposal is decided on once; what was open keeps its release.
const CHECK = `
  update kernel_proposals set state = 'checked', manifest = :manifest, module_sha256 = :moduleSha256
  where id = :id and state = 'received'`
const DECIDE = `
  update kernel_proposals set state = cast(:state as proposal_state), reasons = :reasons, rebuilt = :rebuilt,
    decided_at = :now, release = null
  where id = :id and state in ('received', 'checked') and (:state <> 'admitted' or state = 'checked')`

/** Reading found nothing against it. */
export const markChecked = (
  trx: Trx,
  { manifest, ...rest }: { id: ProposalId; manifest: KernelManifest; moduleSha256: Sha256 },
): Promise<number> => execute(trx, CHECK, { ...rest, manifest: JSON.stringify(manifest) })

export type Decision =
  | { readonly state: 'rejected'; readonly reasons: readonly Reason[] }
  | { readonly state: 'admitted'; readonly rebuilt: boolean }
  | { readonly state: 'withdrawn' }

/** Decides on an open proposal; 0 when it was decided on before. */
export function decide(trx: Trx, id: ProposalId, decision: Decision, now: Instant): Promise<number> {
  const reasons = decision.state === 'rejected' ? decision.reasons : []
  const rebuilt = decision.state === 'admitted' ? decision.rebuilt : null
  const { state } = decision
  return execute(trx, DECIDE, { id, state, reasons: JSON.stringify(reasons), rebuilt, now: toDb(now) })
}

const ADMITTED = `select release_sha256 as "releaseSha256", rebuilt from kernel_proposals where state = 'admitted'`

/** The releases that were proposed and admitted, with whether their modules were compiled again. */
export async function rebuiltReleases(on: Executor): Promise<ReadonlyMap<Sha256, boolean>> {
  const rows = await select(on, z.object({ releaseSha256: Sha256, rebuilt: z.boolean() }), ADMITTED)
  return new Map(rows.map(({ releaseSha256, rebuilt }) => [releaseSha256, rebuilt]))
}

const OVERDUE = `
  select id from kernel_proposals where state = 'received' and submitted_at < :before order by submitted_at limit :limit`

/** Those that were received before then and nobody has looked at. */
export const listUnread = async (
  on: Executor,
  { before, limit }: { before: Instant; limit: number },
): Promise<ProposalId[]> =>
  (await select(on, z.object({ id: ProposalId }), OVERDUE, { before: toDb(before), limit })).map(
    ({ id }) => id,
  )
