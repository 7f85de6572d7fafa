import type { Request, RequestHandler } from 'express'
import { ActRefused } from '#operate/deps.ts'
import { ActBody, type ActList, PreviewBody, UndoBody } from '#protocol/acts.ts'
import { ActsQuery } from '#protocol/operator.ts'
import { ActId } from '#protocol/units.ts'
import { listActs, viewAct } from '#store/acts.ts'
import { requireAccount } from './auth.ts'
import { bodyOf, parseJson } from './body.ts'
import type { Edge } from './edge.ts'
import { parse, Refused } from './problem.ts'

/** POST /operator/preview: what an act would touch. Changes nothing. */
export function previewAct(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId } = await requireAccount(edge, req, 'admin')
    const { act } = parse(PreviewBody, parseJson(bodyOf(req)))
    res.json(await asRefused(edge.operate.preview(userId, act)))
  }
}

/** POST /operator/acts: does what was previewed; the token makes a repetition answer the same. */
export function performAct(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId: by } = await requireAccount(edge, req, 'admin')
    const wanted = parse(ActBody, parseJson(bodyOf(req)))
    const view = await asRefused(edge.operate.perform({ by, ...wanted }))
    edge.log.info({ actId: view.id, kind: view.act.kind, touched: view.touched }, 'an operator acted')
    res.status(201).json(view)
  }
}

/** POST /operator/acts/:id/undo: twice is once. */
export function undoAct(edge: Edge): RequestHandler {
  return async (req, res) => {
    const { userId: by } = await requireAccount(edge, req, 'admin')
    const id = parse(ActId, req.params.id, 'not_found')
    const { reason } = parse(UndoBody, parseJson(bodyOf(req)))
    res.status(201).json(await asRefused(edge.operate.undo({ id, by, reason })))
  }
}

/** GET /operator/acts?kind=&by=&subject=&after=&limit=: the audit log. */
export function showActs(edge: Edge): RequestHandler {
  return async (req, res) => {
    await requireOperator(edge, req)
    const { limit, after = null, kind = null, by = null, subject = null } = parse(ActsQuery, req.query)
    const rows = await listActs(edge.knex, { kind, by, subject }, { after, limit })
    const view: ActList = {
      acts: rows.map(viewAct),
      nextAfter: rows.length < limit ? null : (rows.at(-1)?.id ?? null),
    }
    res.json(view)
  }
}

/** Who reads what only operators may. */
export const requireOperator = (edge: Edge, req: Request) => requireAccount(edge, req, 'admin')

async function asRefused<T>(acting: Promise<T>): Promise<T> {
  try {
    return await acting
  } catch (error) {
    throw error instanceof ActRefused ? new Refused(error.code, error.message) : error
  }
}
