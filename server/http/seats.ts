import type { Request } from 'express'
import {
  STREAMS_MAX,
  STREAMS_PER_ADDRESS_MAX,
  WAITERS_MAX,
  WAITERS_PER_ADDRESS_MAX,
} from '#protocol/limits.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import { Refused } from './problem.ts'

const SEAT_RETRY_MS = 5_000

export interface Seats {
  /** Throws `Refused`; the seat is free again when the function returned is called, once. */
  take(req: Request): () => void
}

interface SeatRules {
  readonly perAddress: number
  readonly inAll: number
  readonly code: ProblemCode
  /** What one address has too many of. */
  readonly what: string
}

const WAITERS: SeatRules = {
  perAddress: WAITERS_PER_ADDRESS_MAX,
  inAll: WAITERS_MAX,
  code: 'rate_limited',
  what: 'calls that wait',
}

/** Server-Sent Events stay open: fewer of one address than calls that wait a minute. */
export const STREAMS: SeatRules = {
  perAddress: STREAMS_PER_ADDRESS_MAX,
  inAll: STREAMS_MAX,
  code: 'streams_too_many',
  what: 'streams',
}

/** So many calls of a kind are under way at once, in all and of one address: each holds a connection. */
export function newSeats({ perAddress, inAll, code, what }: SeatRules = WAITERS): Seats {
  const taken = new Map<string, number>()
  let all = 0
  return {
    take(req) {
      const address = req.ip ?? ''
      const ofAddress = taken.get(address) ?? 0
      if (ofAddress >= perAddress || all >= inAll)
        throw new Refused(code, `at most ${perAddress} ${what} of one address at once, ${inAll} in all`, {
          retryAfterMs: SEAT_RETRY_MS,
        })
      taken.set(address, ofAddress + 1)
      all += 1
      return () => {
        const left = (taken.get(address) ?? 1) - 1
        if (left === 0) taken.delete(address)
        else taken.set(address, left)
        all -= 1
      }
    },
  }
}
