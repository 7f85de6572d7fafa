import type { RequestHandler } from 'express'
import { CALM, waitAsked, worsened } from '#domain/overload.ts'
import { poolState } from '#store/database.ts'
import type { Edge } from './edge.ts'
import { Refused } from './problem.ts'

/** Asks callers to come back later, the longer the more often it had to. */
export interface Gate {
  /** Refuses calls while there are too many, before anything of them is read. */
  readonly admit: RequestHandler
  /** Notes that a call could not be answered; gives what its caller is asked to wait, ms. */
  backOff(): number
}

// Statements that wait for a connection: with sixteen of them at a few milliseconds each, a tenth of a second's work.
const POOL_WAITING_MAX = 500
// They wait by design and are bounded by themselves; and whoever looks after the process must get in.
const SPARED = /^\/(healthz|readyz|metrics)$|\/(stream|events)$/

export function newGate({
  knex,
  now,
  random,
  settings,
}: Pick<Edge, 'knex' | 'now' | 'random' | 'settings'>): Gate {
  let overload = CALM
  let inFlight = 0
  const backOff = (): number => {
    overload = worsened(overload, now())
    return waitAsked(overload, random)
  }
  return {
    backOff,
    admit: (req, res, next) => {
      if (SPARED.test(req.path)) return next()
      const waiting = poolState(knex).waiting
      if (inFlight >= settings.inFlightMax || waiting >= POOL_WAITING_MAX)
        throw new Refused('unavailable', `${inFlight} calls in hand, ${waiting} wait for the database`, {
          retryAfterMs: backOff(),
        })
      inFlight++
      res.once('close', () => inFlight--)
      next()
    },
  }
}
