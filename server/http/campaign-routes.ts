import type { RequestHandler } from 'express'
import { CAMPAIGN_BYTES_MAX } from '#protocol/limits.ts'
import { openHistories } from '#store/histories.ts'
import { newAnalyses } from './analyses.ts'
import { showAnalysis } from './analysis.ts'
import { bytesUpTo } from './body.ts'
import * as life from './campaign-life.ts'
import { submitCampaign, validateCampaign } from './campaigns.ts'
import type { Edge } from './edge.ts'
import { showEvents } from './events.ts'
import { proposeExperiments } from './experiments.ts'
import { showInteraction } from './interaction.ts'
import { showNotes, writeNote } from './notes.ts'
import { showCampaignGuide, showProgram } from './program.ts'
import * as reads from './reads.ts'
import { reportRoutes } from './report.ts'
import { exportCampaign } from './results.ts'
import { showSearch } from './search.ts'
import { compareExperiments, showTests } from './tests.ts'
import { waitForEvents } from './wait.ts'

export type Methods = Partial<Record<'get' | 'post' | 'put' | 'delete', RequestHandler[]>>

export const SMALL_BODY_BYTES = 16 * 1024

/** What is done with campaigns, and what is read of them, below the address `at`. */
export function campaignRoutes(edge: Edge, at: string, anonymous: RequestHandler): Record<string, Methods> {
  const analyses = newAnalyses(edge)
  const histories = openHistories()
  const report = reportRoutes(edge, analyses, histories)
  const small = bytesUpTo(SMALL_BODY_BYTES)
  const campaign = bytesUpTo(CAMPAIGN_BYTES_MAX)
  return {
    [`${at}/validate`]: { post: [anonymous, campaign, validateCampaign(edge)] },
    [`${at}`]: {
      get: [reads.showCampaigns(edge)],
      post: [anonymous, campaign, submitCampaign(edge)],
    },
    [`${at}/:id`]: {
      get: [reads.showCampaign(edge)],
      put: [anonymous, campaign, life.revise(edge)],
    },
    [`${at}/:id/pause`]: { post: [anonymous, small, life.pause(edge)] },
    [`${at}/:id/resume`]: { post: [anonymous, small, life.resume(edge)] },
    [`${at}/:id/stop`]: { post: [anonymous, small, life.stop(edge)] },
    [`${at}/:id/cancel`]: { post: [anonymous, small, life.stop(edge)] },
    [`${at}/:id/revisions`]: { get: [life.showRevisions(edge)] },
    [`${at}/:id/revisions/:number`]: { get: [life.showRevision(edge)] },
    [`${at}/:id/experiments`]: { post: [anonymous, campaign, proposeExperiments(edge)] },
    [`${at}/:id/leaderboard`]: { get: [reads.showLeaderboard(edge)] },
    [`${at}/:id/export`]: { get: [exportCampaign(edge)] },
    [`${at}/:id/tests`]: { get: [showTests(edge)] },
    [`${at}/:id/interaction`]: { get: [showInteraction(edge)] },
    [`${at}/:id/compare`]: { get: [compareExperiments(edge)] },
    [`${at}/:id/notes`]: { get: [showNotes(edge)], post: [anonymous, small, writeNote(edge)] },
    [`${at}/:id/events`]: { get: [showEvents(edge)] },
    [`${at}/:id/wait`]: { get: [waitForEvents(edge)] },
    [`${at}/:id/analysis`]: { get: [showAnalysis(edge, analyses)] },
    [`${at}/:id/program.md`]: { get: [showProgram(edge, histories)] },
    [`${at}/:id/llms.txt`]: { get: [showCampaignGuide(edge)] },
    [`${at}/:id/report`]: { get: [report.show] },
    [`${at}/:id/report/:file`]: { get: [report.file] },
    [`${at}/:id/search`]: { get: [showSearch(edge, histories)] },
    [`${at}/:id/work-units`]: { get: [reads.showWorkUnits(edge)] },
  }
}
