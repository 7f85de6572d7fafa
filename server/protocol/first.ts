// What pages read first: their documents name it, so that it is under way before the program that asks for it.

import { ANALYSIS_POINTS_MAX } from './limits.ts'

// As many as fill a screen or two: they are there before the rest is asked for, which takes a server a second of 10,000.
export const BOARD_ROWS_FIRST = 100

/** Paths below /api/v1, as the pages ask for them. */
export const campaignPath = (id: string): string => `/campaigns/${id}`
export const boardPath = (id: string, limit: number): string => `/campaigns/${id}/leaderboard?limit=${limit}`
export const experimentPath = (id: string): string => `/experiments/${id}`

/** The same of the views of a campaign. */
export const VIEW_PATHS = {
  overview: (id: string) => `/campaigns/${id}/analysis?part=best-so-far,importance`,
  parallel: (id: string) => `/campaigns/${id}/analysis?part=points&limit=${ANALYSIS_POINTS_MAX}`,
  runs: (id: string) => boardPath(id, BOARD_ROWS_FIRST),
} as const

/** The name under which a document says from which event on its stream tells everything: whatever the page reads is newer. */
export const STREAM_AFTER = 'stream-after'
