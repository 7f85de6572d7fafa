import type { RequestHandler } from 'express'
import { bytesUpTo } from './body.ts'
import { type Methods, SMALL_BODY_BYTES } from './campaign-routes.ts'
import { showCorpus, showRun, showSimilar } from './corpus.ts'
import type { Edge } from './edge.ts'
import { explore } from './explore.ts'
import * as exports from './exports.ts'
import { showHome } from './home.ts'
import { showScience } from './science.ts'
import { newSpent, showSpent } from './spent.ts'
import { showAgreement } from './study.ts'
import { showCampaignTicks, showTicks } from './ticks.ts'

/** What is public of everybody's runs, below the address `at`. */
export function corpusRoutes(edge: Edge, at: string, anonymous: RequestHandler): Record<string, Methods> {
  const small = bytesUpTo(SMALL_BODY_BYTES)
  const spent = newSpent(edge)
  return {
    [`${at}/campaigns/:id/agreement`]: { get: [showAgreement(edge)] },
    [`${at}/campaigns/:id/exports`]: {
      get: [exports.showExports(edge)],
      post: [anonymous, small, exports.exportOfCampaign(edge)],
    },
    [`${at}/corpus`]: { get: [showCorpus(edge)] },
    [`${at}/corpus/explore`]: { get: [explore(edge)] },
    [`${at}/corpus/similar`]: { get: [showSimilar(edge)] },
    [`${at}/science`]: { get: [showScience(edge)] },
    [`${at}/corpus/exports`]: { post: [anonymous, small, exports.exportOfMonth(edge)] },
    [`${at}/corpus/:id`]: { get: [showRun(edge)] },
    [`${at}/spent`]: { get: [showSpent(spent)] },
    [`${at}/home`]: { get: [showHome(edge, spent)] },
    [`${at}/ticks`]: { get: [showTicks(edge)] },
    [`${at}/campaigns/:id/ticks`]: { get: [showCampaignTicks(edge)] },
    [`${at}/exports/:id`]: { get: [exports.showExport(edge)] },
  }
}
