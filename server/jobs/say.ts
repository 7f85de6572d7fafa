import { NOTE_CHARS_MAX, NOTE_EVIDENCE_MAX, NOTES_PER_CAMPAIGN_MAX } from '#protocol/limits.ts'
import type { NoteKind } from '#protocol/notes.ts'
import { type CampaignId, ExperimentId, type Instant } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { insertNote } from '#store/notes.ts'
import type { JobDeps } from './deps.ts'

interface Speaking {
  readonly trx: Trx
  readonly deps: Pick<JobDeps, 'ids'>
  readonly campaign: { readonly id: CampaignId }
  readonly now: Instant
}

/** Writes down what the server's agent did or found, and on which experiments it rests; twice the same is said once. */
export async function say(
  { trx, deps, campaign, now }: Speaking,
  kind: NoteKind,
  text: string,
  evidence: readonly string[],
): Promise<void> {
  const note = {
    id: deps.ids.note(now),
    campaignId: campaign.id,
    authorId: null,
    kind,
    text: shortened(text),
  }
  const ids = evidence.slice(0, NOTE_EVIDENCE_MAX).map(id => ExperimentId.parse(id))
  // A campaign whose notes are full goes on without them.
  await insertNote(trx, { ...note, evidence: ids }, { now, most: NOTES_PER_CAMPAIGN_MAX })
}

// A space of many ranges has more to tell than a note may hold: nothing may fail for it.
const shortened = (text: string): string =>
  text.length <= NOTE_CHARS_MAX ? text : `${text.slice(0, NOTE_CHARS_MAX - 1)}…`
