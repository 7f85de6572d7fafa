import type { RequestHandler } from 'express'
import { bytesUpTo } from './body.ts'
import { type Methods, SMALL_BODY_BYTES } from './campaign-routes.ts'
import type { Edge } from './edge.ts'
import type { Meter } from './meter.ts'
import * as operator from './operator.ts'
import * as lists from './operator-lists.ts'
import { showLimits, showSymptoms } from './symptoms.ts'

/** What only operators may see and do, below the address `at`. */
export function operatorRoutes(
  edge: Edge,
  at: string,
  { anonymous, meter }: { anonymous: RequestHandler; meter: Meter },
): Record<string, Methods> {
  const small = bytesUpTo(SMALL_BODY_BYTES)
  return {
    [`${at}/symptoms`]: { get: [anonymous, showSymptoms(edge, meter)] },
    [`${at}/errors`]: { get: [anonymous, lists.showErrors(edge)] },
    [`${at}/results`]: { get: [anonymous, lists.showResults(edge)] },
    [`${at}/hosts`]: { get: [anonymous, lists.showHosts(edge)] },
    [`${at}/suspects`]: { get: [anonymous, lists.showSuspects(edge)] },
    [`${at}/appeals`]: { get: [anonymous, lists.showAppeals(edge)] },
    [`${at}/alerts`]: { get: [anonymous, lists.showAlerts(edge)] },
    [`${at}/letters`]: { get: [anonymous, lists.showLetters(edge)] },
    [`${at}/users`]: { get: [anonymous, lists.showUsers(edge)] },
    [`${at}/limits`]: { get: [anonymous, showLimits(edge)] },
    [`${at}/preview`]: { post: [anonymous, small, operator.previewAct(edge)] },
    [`${at}/acts`]: {
      get: [anonymous, operator.showActs(edge)],
      post: [anonymous, small, operator.performAct(edge)],
    },
    [`${at}/acts/:id/undo`]: { post: [anonymous, small, operator.undoAct(edge)] },
  }
}
