import type { Request } from 'express'
import { WAITERS_MAX, WAITERS_PER_ADDRESS_MAX } from '#protocol/limits.ts'
import { Refused } from './problem.ts'

const SEAT_RETRY_MS = 5_000

export interface Seats {
  /** Throws `Refused`; the seat is free again when the function returned is called, once. */
  take(req: Request): () => void
}

/** So many calls of a kind are under way at once, in all and of one address: each holds a connection. */
export function newSeats(): Seats {
  const taken = new Map<string, number>()
  let all = 0
  return {
    take(req) {
      const address = req.ip ?? ''
      const ofAddress = taken.get(address) ?? 0
      if (ofAddress >= WAITERS_PER_ADDRESS_MAX || all >= WAITERS_MAX)
        throw new Refused('rate_limited', `${WAITERS_PER_ADDRESS_MAX} calls of one address wait at once`, {
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
