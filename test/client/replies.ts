import type { SchedulerReply } from '#protocol/scheduler.ts'

/** A scheduler's reply with what a test cares about. */
export const aReply = (given: Partial<SchedulerReply> = {}): SchedulerReply => ({
  serverNow: '2026-11-22T00:00:00.000Z',
  retryAfterMs: 0,
  reports: [],
  leases: [],
  abort: [],
  wanted: [],
  verdicts: [],
  credit: { balanceMilli: 0, heldMilli: 0, pendingMilli: 0 },
  notices: [],
  ...given,
})
