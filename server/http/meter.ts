import type { RequestHandler } from 'express'
import { addMs, type Instant, instant } from '#protocol/units.ts'

const MINUTE_MS = 60_000
const MINUTES_KEPT = 60
// Upper bounds in ms, each half as large again as the one before: a quantile is right to within that. The last is for all slower ones.
const BOUNDS = Array.from({ length: 28 }, (_, i) => 1.5 ** i)

interface Minute {
  readonly at: Instant
  requests: number
  failed: number // 5xx
  refused: number // 4xx
  readonly slots: number[] // how many took at most BOUNDS[i]
}

export interface Rates {
  readonly perSecond: number
  readonly errorShare: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly minutes: readonly {
    readonly at: Instant
    readonly requests: number
    readonly failed: number
    readonly refused: number
    readonly p95Ms: number
  }[]
}

export interface Meter {
  /** Counts every request as its reply ends. */
  readonly count: RequestHandler
  rates(): Rates
}

// Of the rates themselves: long enough to be a rate, short enough to be now.
const RECENT_MINUTES = 5

/** Rate, errors and duration of the requests of this process, by the minute, for an hour. */
export function newMeter(now: () => Instant): Meter {
  const minutes: Minute[] = []
  const current = (): Minute => {
    const at = instant(Math.floor(now() / MINUTE_MS) * MINUTE_MS)
    const last = minutes.at(-1)
    if (last?.at === at) return last
    const fresh = { at, requests: 0, failed: 0, refused: 0, slots: BOUNDS.map(() => 0) }
    minutes.push(fresh)
    minutes.splice(0, minutes.length - MINUTES_KEPT)
    return fresh
  }
  return {
    count: (_req, res, next) => {
      const began = now()
      res.once('finish', () => {
        const minute = current()
        minute.requests++
        if (res.statusCode >= 500) minute.failed++
        else if (res.statusCode >= 400) minute.refused++
        const slot = BOUNDS.findIndex(bound => now() - began <= bound)
        const index = slot < 0 ? BOUNDS.length - 1 : slot
        minute.slots[index] = (minute.slots[index] ?? 0) + 1
      })
      next()
    },
    rates: () => {
      const since = addMs(now(), -RECENT_MINUTES * MINUTE_MS)
      const recent = minutes.filter(minute => minute.at >= since)
      const [requests, failed] = [sum(recent, m => m.requests), sum(recent, m => m.failed)]
      const slots = BOUNDS.map((_, i) => sum(recent, minute => minute.slots[i] ?? 0))
      const seconds = Math.max(1, (now() - (recent[0]?.at ?? now())) / 1000)
      return {
        perSecond: requests / seconds,
        errorShare: requests === 0 ? 0 : failed / requests,
        p50Ms: quantile(slots, 0.5),
        p95Ms: quantile(slots, 0.95),
        minutes: minutes.map(({ slots: own, ...minute }) => ({ ...minute, p95Ms: quantile(own, 0.95) ?? 0 })),
      }
    },
  }
}

const sum = (minutes: readonly Minute[], of: (minute: Minute) => number): number =>
  minutes.reduce((total, minute) => total + of(minute), 0)

/** The bound below which this share lies; null of nothing. */
function quantile(slots: readonly number[], share: number): number | null {
  const all = slots.reduce((total, n) => total + n, 0)
  if (all === 0) return null
  let seen = 0
  const at = slots.findIndex(n => {
    seen += n
    return seen >= share * all
  })
  return Math.round((BOUNDS[at] ?? 0) * 10) / 10
}
