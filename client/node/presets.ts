import type { PauseReason } from '#runtime/agent-state.ts'

/** How much of a machine is lent, and when. */
export interface Preset {
  readonly cores: string // an expression, see cores.ts
  readonly niceness: number
  readonly onBattery: boolean
  /** Pause while other programs use more than this share of all cores; null: never. */
  readonly othersMax: number | null
  /** Hours of the day, local time, [from, to) in minutes since midnight, over midnight if from > to; null: always. */
  readonly schedule: readonly [number, number] | null
}

export const PRESETS = {
  barely: { cores: '1', niceness: 19, onBattery: false, othersMax: 0.1, schedule: null },
  polite: { cores: '50%', niceness: 10, onBattery: false, othersMax: 0.25, schedule: null },
  overnight: { cores: 'MAX', niceness: 10, onBattery: false, othersMax: null, schedule: [22 * 60, 7 * 60] },
  all: { cores: 'MAX', niceness: 0, onBattery: true, othersMax: null, schedule: null },
} as const satisfies Record<string, Preset>

/** What a machine can tell about itself; null: it cannot. */
export interface Signals {
  readonly onBattery: boolean | null
  /** Share of all cores that other programs use. */
  readonly othersShare: number | null
  readonly minuteOfDay: number
}

// Below this share of the threshold others count as gone: without the gap we would flicker around it.
const CALM = 0.6

/** Why to pause now, given why we paused before. A machine that cannot tell is plugged in and quiet. */
export function pausesFor(
  preset: Preset,
  signals: Signals,
  before: readonly PauseReason[],
): readonly PauseReason[] {
  const reasons: PauseReason[] = []
  if (!preset.onBattery && signals.onBattery === true) reasons.push('battery')
  if (preset.othersMax !== null && signals.othersShare !== null) {
    const limit = before.includes('busy') ? preset.othersMax * CALM : preset.othersMax
    if (signals.othersShare > limit) reasons.push('busy')
  }
  if (preset.schedule !== null && !within(preset.schedule, signals.minuteOfDay)) reasons.push('schedule')
  return reasons
}

/** `22:00-07:00` as minutes since midnight; undefined if it is not that. */
export function parseSchedule(text: string): readonly [number, number] | undefined {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim())
  if (match === null) return undefined
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = match.slice(1).map(Number)
  return [fromHour * 60 + fromMinute, toHour * 60 + toMinute]
}

function within([from, to]: readonly [number, number], minute: number): boolean {
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to
}
