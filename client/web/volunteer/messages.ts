// What the volunteer's worker and the tabs of this browser say to each other.

import type { Recipe } from '#protocol/job.ts'
import type { AgentMode } from '#runtime/agent-state.ts'
import type { PresetName, Signals } from './presets.ts'

/** One browser profile is one volunteer: whoever holds this Web Lock. */
export const LOCK = 'xeenet-volunteer'
/** The BroadcastChannel between the worker and all tabs. */
export const CHANNEL = 'xeenet-volunteer'

/** A point of a curve: share of the run, loss. */
export type Point = readonly [number, number]

export interface RunNow {
  readonly resultId: string
  readonly campaign: { readonly id: string; readonly title: string }
  readonly kernel: string
  readonly recipe: Recipe
  readonly seed: number
  readonly fraction: number
  readonly secondsLeft: number | null
  /** How far its last checkpoint is; null before the first. */
  readonly saved: number | null
  readonly curve: readonly Point[]
}

export const FATES = ['waiting', 'valid', 'invalid', 'inconclusive', 'error'] as const
/** What became of a computed result, as far as this browser heard. */
export type Fate = (typeof FATES)[number]

export interface Computed {
  readonly resultId: string
  readonly campaignId: string
  readonly title: string
  readonly at: number
  readonly metric: { readonly name: string; readonly value: number } | null
  readonly digest: string | null
  readonly fate: Fate
  readonly milli: number
}

/** Everything a tab shows of the volunteer. */
export interface Snapshot {
  readonly phase: 'enrolling' | 'on' | 'ended'
  readonly mode: AgentMode | null
  readonly host: { readonly id: string; readonly name: string } | null
  readonly preset: PresetName
  readonly cores: number
  readonly runs: readonly RunNow[]
  /** Newest last. */
  readonly computed: readonly Computed[]
  /** As the server last said; null before. */
  readonly balanceMilli: number | null
  readonly offline: string | null
  readonly log: readonly { readonly at: number; readonly text: string }[]
  /** Why it ended, when it was not asked to. */
  readonly trouble: string | null
}

/** Before anything is known. */
export const EMPTY: Snapshot = {
  ...{ phase: 'enrolling', mode: null, host: null, preset: 'polite', cores: 1, runs: [], computed: [] },
  ...{ balanceMilli: null, offline: null, log: [], trouble: null },
}

/** What an end changes. */
export const ENDED = { phase: 'ended', runs: [], mode: null } as const

export type Command = 'pause' | 'resume' | 'finish' | 'stop'

/** To the worker, from the tab that started it. */
export type ToWorker =
  | { readonly type: 'start'; readonly preset: PresetName; readonly signals: Signals }
  | { readonly type: 'signals'; readonly signals: Signals }

/** To the tab that started it. `taken`: another tab already volunteers. */
export type FromWorker = { readonly type: 'taken' }

/** On the channel. */
export type Said =
  | { readonly type: 'hello' }
  | { readonly type: 'command'; readonly command: Command }
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
