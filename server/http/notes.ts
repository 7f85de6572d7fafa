import type { RequestHandler } from 'express'
import { z } from 'zod'
import { NOTES_PER_CAMPAIGN_MAX, PAGE_ROWS_MAX } from '#protocol/limits.ts'
import { NoteBody, type NoteList, type NoteView } from '#protocol/notes.ts'
import { type CampaignId, NoteId, toWire } from '#protocol/units.ts'
import { insertNote, knownEvidence, listNotes, type NoteRow } from '#store/notes.ts'
import { withheldOf } from '#store/withheld.ts'
import { answerOnce } from './answer-once.ts'
import { requireScope } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import { campaignOf } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** POST /campaigns/:id/notes: its owner, or whoever holds a token of the owner's, writes down what was learnt. */
export function writeNote(edge: Edge): RequestHandler {
  return async (req, res) => {
    const bearer = await requireScope(edge, req, 'campaign', 'propose')
    const campaign = await campaignOf(edge, req)
    if (campaign.ownerId !== bearer.userId && !bearer.scopes.includes('admin'))
      throw new Refused('scope_missing', 'this campaign is another user’s')
    const { kind, text, evidence } = parse(NoteBody, parseJson(bodyOf(req)))
    const known = await knownEvidence(edge.knex, campaign.id, evidence)
    const foreign = evidence.find(id => !known.has(id))
    if (foreign !== undefined)
      throw new Refused('bad_request', `evidence: ${foreign} is not of this campaign`)
    const now = edge.now()
    const call = { req, res, userId: bearer.userId }
    const note = { id: edge.ids.note(now), campaignId: campaign.id, kind, text, evidence }
    const row = { ...note, authorId: bearer.userId }
    await answerOnce(edge, call, async () => async trx => {
      if (!(await insertNote(trx, row, { now, most: NOTES_PER_CAMPAIGN_MAX })))
        throw new Refused('notes_full', `${NOTES_PER_CAMPAIGN_MAX} notes`)
      return { status: 201, body: viewNote(campaign.id, { ...row, at: now }, new Set()) }
    })
  }
}

const Page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100),
  after: NoteId.optional(),
})

/** GET /campaigns/:id/notes?after=&limit= */
export function showNotes(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { limit, after = '' } = parse(Page, req.query)
    const campaign = await campaignOf(edge, req)
    const rows = await listNotes(edge.knex, { campaignId: campaign.id, after, limit })
    const withheld = new Set<string>(await withheldOf(edge.knex, campaign, edge.trust.rules))
    const view: NoteList = {
      notes: rows.map(row => viewNote(campaign.id, row, withheld)),
      nextAfter: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
    }
    res.json(view)
  }
}

const UNTOLD = 'It rests on an experiment that waits for a trusted re-run, and is shown after it.'

/**
 * A note as anyone reads it. What the server's own agent wrote of an experiment that is withheld is not told meanwhile: it knows the
 * values. People write what they could read.
 */
export const viewNote = (
  campaignId: CampaignId,
  { at, authorId, text, ...note }: NoteRow,
  withheld: ReadonlySet<string>,
): NoteView => ({
  ...note,
  text: authorId === null && note.evidence.some(id => withheld.has(id)) ? UNTOLD : text,
  campaignId,
  at: toWire(at),
  author: authorId ?? 'agent',
})
