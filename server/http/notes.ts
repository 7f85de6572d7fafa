import type { RequestHandler } from 'express'
import { z } from 'zod'
import { NOTES_PER_CAMPAIGN_MAX, PAGE_ROWS_MAX } from '#protocol/limits.ts'
import { NoteBody, type NoteList, type NoteView } from '#protocol/notes.ts'
import { type CampaignId, NoteId, toWire } from '#protocol/units.ts'
import { insertNote, knownEvidence, listNotes, type NoteRow } from '#store/notes.ts'
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
      return { status: 201, body: viewNote(campaign.id, { ...row, at: now }) }
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
    const { id } = await campaignOf(edge, req)
    const rows = await listNotes(edge.knex, { campaignId: id, after, limit })
    const view: NoteList = {
      notes: rows.map(row => viewNote(id, row)),
      nextAfter: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
    }
    res.json(view)
  }
}

/** A note as anyone reads it. */
export const viewNote = (campaignId: CampaignId, { at, authorId, ...note }: NoteRow): NoteView => ({
  ...note,
  campaignId,
  at: toWire(at),
  author: authorId ?? 'agent',
})
