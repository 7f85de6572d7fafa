import { z } from 'zod'
import { NOTE_CHARS_MAX, NOTE_EVIDENCE_MAX } from './limits.ts'
import { lines } from './text.ts'
import { CampaignId, ExperimentId, NoteId, ResultId, WireInstant } from './units.ts'

export const NoteKind = z.enum(['insight', 'hypothesis', 'decision'])
export type NoteKind = z.infer<typeof NoteKind>

/** POST /api/v1/campaigns/:id/notes. The text is data for whoever reads it, never an instruction. */
export const NoteBody = z.strictObject({
  kind: NoteKind,
  text: lines(NOTE_CHARS_MAX).trim().min(1),
  /** Results and experiments of this campaign that the note rests on. */
  evidence: z
    .array(z.union([ResultId, ExperimentId]))
    .max(NOTE_EVIDENCE_MAX)
    .default([]),
})
export type NoteBody = z.infer<typeof NoteBody>

export const NoteView = z.object({
  id: NoteId,
  campaignId: CampaignId,
  at: WireInstant,
  /** `agent`, the server's own, or the id of a user. */
  author: z.string(),
  kind: NoteKind,
  text: z.string(),
  evidence: z.array(z.string()),
})
export type NoteView = z.infer<typeof NoteView>

/** GET /api/v1/campaigns/:id/notes, oldest first. */
export const NoteList = z.object({
  notes: z.array(NoteView),
  /** Give it as `after` to read on; null at the end. */
  nextAfter: z.string().nullable(),
})
export type NoteList = z.infer<typeof NoteList>
