// What a page shows of a volunteer, wherever it computes: in a tab, or in a process on the same machine.

import type { Recipe } from '#protocol/job.ts'
import type { AgentMode, Control, LocalMs } from './agent-state.ts'

/** How much of a machine is lent, by name. What a name means is the host's: a browser knows less of its machine. */
export const PRESET_NAMES = ['barely', 'polite', 'overnight', 'all'] as const
export type PresetName = (typeof PRESET_NAMES)[number]

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
/** What became of a computed result, as far as this host heard. */
export type Fate = (typeof FATES)[number]

export interface Computed {
  readonly resultId: string
  readonly campaignId: string
  readonly title: string
  readonly at: LocalMs
  readonly metric: { readonly name: string; readonly value: number } | null
  readonly digest: string | null
  readonly fate: Fate
  readonly milli: number
}

/** Everything a page shows of the volunteer. */
export interface Snapshot {
  readonly phase: 'enrolling' | 'on' | 'ended'
  readonly mode: AgentMode | null
  readonly control: Control
  readonly host: { readonly id: string; readonly name: string } | null
  readonly preset: PresetName
  /** Runs at once, now: fewer than the preset's while the machine is busy with other things. */
  readonly cores: number
  readonly runs: readonly RunNow[]
  /** Newest last. */
  readonly computed: readonly Computed[]
  /** As the server last said; null before. */
  readonly balanceMilli: number | null
  readonly offline: string | null
  /** Finished runs whose reports wait here for the server. */
  readonly unsent: number
  readonly log: readonly { readonly at: LocalMs; readonly text: string }[]
  /** Why it ended, when it was not asked to. */
  readonly trouble: string | null
}

/** Before anything is known. */
export const EMPTY: Snapshot = {
  ...{ phase: 'enrolling', mode: null, control: { state: 'run' }, host: null, preset: 'polite', cores: 1 },
  ...{ runs: [], computed: [], balanceMilli: null, offline: null, unsent: 0, log: [], trouble: null },
}

/** What an end changes. */
export const ENDED = { phase: 'ended', runs: [], mode: null, control: { state: 'run' } } as const
