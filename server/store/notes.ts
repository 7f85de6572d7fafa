import { z } from 'zod'
import { NoteKind } from '#protocol/notes.ts'
import {
  type CampaignId,
  type ExperimentId,
  type Instant,
  NoteId,
  type ResultId,
  UserId,
} from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { addCampaignEvents } from './events.ts'
import { type Executor, execute, select, Timestamp, toDb } from './rows.ts'

export interface NewNote {
  readonly id: NoteId
  readonly campaignId: CampaignId
  /** Null: the server's own agent. */
  readonly authorId: UserId | null
  readonly kind: NoteKind
  readonly text: string
  readonly evidence: readonly (ResultId | ExperimentId)[]
}

/** Adds a note, of the server's agent only if it has not said the same; false when it did not, or the campaign has `most`. */
export async function insertNote(
  trx: Trx,
  note: NewNote,
  { now, most }: { now: Instant; most: number },
): Promise<boolean> {
  if ((await execute(trx, INSERT, { ...note, now: toDb(now), most })) === 0) return false
  const { id, campaignId, kind } = note
  await addCampaignEvents(trx, [{ campaignId, event: 'note', detail: `${kind} ${id}` }], now)
  return true
}

/** Which of these are results or experiments of the campaign. */
export async function knownEvidence(
  on: Executor,
  campaignId: CampaignId,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set()
  const rows = await select(on, z.object({ id: z.string() }), KNOWN, { campaignId, ids })
  return new Set(rows.map(row => row.id))
}

const NoteRow = z.object({
  id: NoteId,
  at: Timestamp,
  authorId: UserId.nullable(),
  kind: NoteKind,
  text: z.string(),
  evidence: z.array(z.string()),
})
export type NoteRow = z.infer<typeof NoteRow>

/** Notes of a campaign in the order in which they were written. */
export const listNotes = (
  on: Executor,
  page: { campaignId: CampaignId; after: string; limit: number },
): Promise<NoteRow[]> => select(on, NoteRow, LIST, { ...page })

/** The newest notes of a campaign, oldest first. */
export const newestNotes = async (
  on: Executor,
  of: { campaignId: CampaignId; limit: number },
): Promise<NoteRow[]> => (await select(on, NoteRow, NEWEST, { ...of })).toReversed()

/** The newest notes of a campaign that rest on one of these, newest first. */
export const notesOn = (
  on: Executor,
  of: { campaignId: CampaignId; evidence: readonly (ResultId | ExperimentId)[]; limit: number },
): Promise<NoteRow[]> => select(on, NoteRow, ON, { ...of })

const ON = `
  select id, at, author_id as "authorId", kind, body as text, evidence from campaign_notes
  where campaign_id = :campaignId and evidence && cast(:evidence as text[]) order by id desc limit :limit`

const NEWEST = `
  select id, at, author_id as "authorId", kind, body as text, evidence
  from campaign_notes where campaign_id = :campaignId order by id desc limit :limit`

const INSERT = `
  insert into campaign_notes (id, campaign_id, at, author_id, kind, body, evidence)
  select :id, :campaignId, :now, :authorId, :kind, :text, :evidence
  where (select count(*) from campaign_notes where campaign_id = :campaignId) < :most
    and not (cast(:authorId as text) is null and exists (select from campaign_notes
      where campaign_id = :campaignId and author_id is null and body = :text))`

const KNOWN = `
  select id from experiments where campaign_id = :campaignId and id = any(:ids)
  union all
  select r.id from results r join work_units w on w.id = r.work_unit_id
  where w.campaign_id = :campaignId and r.id = any(:ids)`

const LIST = `
  select id, at, author_id as "authorId", kind, body as text, evidence
  from campaign_notes where campaign_id = :campaignId and id > :after order by id limit :limit`
