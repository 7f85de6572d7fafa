import { z } from 'zod'
import { CampaignFile } from './campaign.ts'
import { DETAIL_CHARS_MAX } from './limits.ts'
import { line } from './text.ts'
import { WireInstant } from './units.ts'

const reason = line(DETAIL_CHARS_MAX).trim().min(1)

/** PUT /api/v1/campaigns/:id: the whole new file, over the revision that its author had before him. */
export const ReviseBody = z.strictObject({ expected: z.int().min(1), reason, file: CampaignFile })

/** POST /api/v1/campaigns/:id/stop; the body may be left out. */
export const StopBody = z.strictObject({ reason: reason.optional() })

export const RevisionAuthor = z.enum(['owner', 'operator', 'agent'])
export type RevisionAuthor = z.infer<typeof RevisionAuthor>

const revised = {
  revision: z.int(),
  at: WireInstant,
  author: RevisionAuthor,
  reason: z.string(),
}

/** GET /api/v1/campaigns/:id/revisions, oldest first; the first is the file as submitted. */
export const RevisionList = z.object({ revisions: z.array(z.object(revised)) })
export type RevisionList = z.infer<typeof RevisionList>

/** GET /api/v1/campaigns/:id/revisions/:number, where `latest` is the one that counts. */
export const RevisionView = z.object({ ...revised, file: CampaignFile })
export type RevisionView = z.infer<typeof RevisionView>
