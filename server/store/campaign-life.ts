import { z } from 'zod'
import { CampaignFile } from '#protocol/campaign.ts'
import { REVISIONS_MAX } from '#protocol/limits.ts'
import { RevisionAuthor } from '#protocol/revisions.ts'
import type { CampaignId, Instant, MilliCredit, TokenId, UserId } from '#protocol/units.ts'
import { type CreditFault, setAside } from './account-credit.ts'
import type { CampaignRow } from './campaigns.ts'
import type { Trx } from './database.ts'
import { addCampaignEvents } from './events.ts'
import { type Executor, execute, select, selectFirst, selectOne, Timestamp, toDb } from './rows.ts'

/** An act on a campaign and who does it; its followers are told in the same transaction. */
export interface Act {
  readonly id: CampaignId
  readonly by: 'owner' | 'operator'
  readonly now: Instant
}

const WORDS = { owner: 'its owner', operator: 'an administrator', deadline: 'the time it was given' } as const

/** Pauses a running campaign: nothing of it is created or handed out. False when it does not run. */
export async function pauseCampaign(trx: Trx, { id, by, now }: Act): Promise<boolean> {
  if ((await execute(trx, PAUSE, { id, now: toDb(now) })) === 0) return false
  await addCampaignEvents(trx, [{ campaignId: id, event: 'paused', detail: `${WORDS[by]} paused it` }], now)
  return true
}

/** Lets a paused campaign go on, and wakes its work units, whose patience begins where it was. False when it is not paused. */
export async function resumeCampaign(trx: Trx, { id, by, now }: Act): Promise<boolean> {
  await execute(trx, WAKE_OPEN, { id, now: toDb(now) }) // work units are locked before campaigns
  if ((await execute(trx, RESUME, { id, now: toDb(now) })) === 0) return false
  await addCampaignEvents(trx, [{ campaignId: id, event: 'resumed', detail: `${WORDS[by]} resumed it` }], now)
  return true
}

interface End extends Omit<Act, 'by'> {
  readonly by: keyof typeof WORDS
  readonly reason: string | null
}

/** Ends a campaign that runs or is paused; false when it has ended. Its work units follow when it is woken. */
export async function endCampaign(trx: Trx, { id, by, reason, now }: End): Promise<boolean> {
  if ((await execute(trx, END, { id, by, reason, now: toDb(now) })) === 0) return false
  const detail = `${WORDS[by]} ended it${reason === null ? '' : `: ${reason}`}`
  await addCampaignEvents(trx, [{ campaignId: id, event: 'cancelled', detail }], now)
  return true
}

const OpenRow = z.object({ campaigns: z.int(), experiments: z.int() })

/** How many campaigns of this owner have not ended, and how many experiments they plan. */
export const countOpen = (on: Executor, ownerId: UserId): Promise<z.infer<typeof OpenRow>> =>
  selectOne(on, OpenRow, COUNT_OPEN, { ownerId })

export interface NewRevision {
  readonly campaign: CampaignRow // locked
  readonly file: CampaignFile
  readonly author: RevisionAuthor
  readonly reason: string
  readonly respaced: boolean
  /** The quote of the new file. */
  readonly reserveMilli: MilliCredit
  /** As for `setAside`. */
  readonly keyId?: TokenId | null
  readonly now: Instant
}

/**
 * Gives a locked campaign its next file, and sets aside what that costs more than before. What exists stays as it is. After
 * anything but `revised` the caller rolls back.
 */
export async function reviseCampaign(
  trx: Trx,
  { campaign, file, author, reason, respaced, reserveMilli, keyId = null, now }: NewRevision,
): Promise<'revised' | 'too_many' | CreditFault> {
  const { id: campaignId, ownerId: userId } = campaign
  const revision = campaign.revision + 1
  if (revision > REVISIONS_MAX) return 'too_many'
  const amountMilli = Math.max(0, reserveMilli - campaign.reservedMilli)
  if (amountMilli > 0) {
    const fault = await setAside(trx, { campaignId, userId, keyId, amountMilli, revision, now })
    if (fault !== undefined) return fault
  }
  const { title, budget } = file
  const text = JSON.stringify(file)
  await execute(trx, REVISE, {
    campaignId,
    revision,
    title,
    file: text,
    runs: budget.runs,
    respaced,
    amountMilli,
  })
  await execute(trx, ADD_REVISION, { campaignId, revision, author, reason, file: text, now: toDb(now) })
  const detail = `revision ${revision} by ${AUTHORS[author]}: ${reason}`
  await addCampaignEvents(trx, [{ campaignId, event: 'revised', detail }], now)
  return 'revised'
}

const AUTHORS = { ...WORDS, agent: 'the agent' } as const

const RevisionRow = z.object({ revision: z.int(), at: Timestamp, author: RevisionAuthor, reason: z.string() })

/** The revisions of a campaign without their files, oldest first. */
export const listRevisions = (on: Executor, campaignId: CampaignId): Promise<z.infer<typeof RevisionRow>[]> =>
  select(on, RevisionRow, LIST, { campaignId, limit: REVISIONS_MAX })

const RevisedFile = RevisionRow.extend({ file: CampaignFile })

export const findRevision = (
  on: Executor,
  campaignId: CampaignId,
  revision: number,
): Promise<z.infer<typeof RevisedFile> | undefined> =>
  selectFirst(on, RevisedFile, FIND, { campaignId, revision })

const PAUSE = `
  update campaigns set paused_at = :now where id = :id and state = 'running' and paused_at is null`

const RESUME = `
  update campaigns set paused_at = null, paused_ms = paused_ms
    + greatest(0, cast(extract(epoch from cast(:now as timestamptz) - paused_at) * 1000 as bigint))
  where id = :id and paused_at is not null`

const WAKE_OPEN = `
  with open as (
    select w.id from live_units u join work_units w on w.id = u.work_unit_id
    join campaigns c on c.id = u.campaign_id and c.paused_at is not null
    where u.campaign_id = :id and w.state = 'open' order by w.id for no key update of w)
  insert into touched_units (work_unit_id, at) select id, :now from open`

const END = `
  update campaigns set state = 'cancelled', ended_at = :now, ended_by = :by, ended_reason = :reason,
    paused_at = null
  where id = :id and state = 'running'`

const COUNT_OPEN = `
  select count(*) as campaigns, coalesce(sum(experiments_planned), 0)::bigint as experiments
  from campaigns where owner_id = :ownerId and state = 'running'`

const REVISE = `
  update campaigns set revision = :revision, title = :title, file = :file, 
    experiments_planned = experiments_planned + :runs - cast(file->'budget'->>'runs' as int),
    respaced = respaced or :respaced, reserved_milli = reserved_milli + :amountMilli
  where id = :campaignId`

const ADD_REVISION = `
  insert into campaign_revisions (campaign_id, revision, at, author, reason, file)
  values (:campaignId, :revision, :now, :author, :reason, :file)`

const LIST = `
  select revision, at, author, reason from campaign_revisions where campaign_id = :campaignId
  order by revision limit :limit`

const FIND = `
  select revision, at, author, reason, file from campaign_revisions
  where campaign_id = :campaignId and revision = :revision`
