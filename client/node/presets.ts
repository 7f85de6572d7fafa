import type { MachineReason } from '#runtime/agent-state.ts'
import { type Hours, within } from '#runtime/hours.ts'
import type { PresetName } from '#runtime/snapshot.ts'
import type { LocalSettings } from './local/messages.ts'

/** How much of a machine is lent, and when. */
export interface Preset {
  readonly cores: string // an expression, see cores.ts
  readonly niceness: number
  readonly onBattery: boolean
  /** Pause while other programs use more than this share of all cores; null: never. */
  readonly othersMax: number | null
  /** When to compute; null: always. */
  readonly schedule: Hours | null
  /** When not to, whatever the schedule says; null: never. */
  readonly quiet: Hours | null
}

export const PRESETS = {
  barely: { cores: '1', niceness: 19, onBattery: false, othersMax: 0.1, schedule: null, quiet: null },
  polite: { cores: '50%', niceness: 10, onBattery: false, othersMax: 0.25, schedule: null, quiet: null },
  overnight: {
    cores: 'MAX',
    niceness: 10,
    onBattery: false,
    othersMax: null,
    schedule: [22 * 60, 7 * 60],
    quiet: null,
  },
  all: { cores: 'MAX', niceness: 0, onBattery: true, othersMax: null, schedule: null, quiet: null },
} as const satisfies Record<PresetName, Preset>

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
  before: readonly MachineReason[],
): readonly MachineReason[] {
  const reasons: MachineReason[] = []
  if (!preset.onBattery && signals.onBattery === true) reasons.push('battery')
  if (preset.othersMax !== null && signals.othersShare !== null) {
    const limit = before.includes('busy') ? preset.othersMax * CALM : preset.othersMax
    if (signals.othersShare > limit) reasons.push('busy')
  }
  const { schedule, quiet } = preset
  const early = schedule !== null && !within(schedule, signals.minuteOfDay)
  if (early || (quiet !== null && within(quiet, signals.minuteOfDay))) reasons.push('schedule')
  return reasons
}

/** A preset with what was chosen beside it. */
export function presetFor({ preset, night, quiet, onBattery }: LocalSettings): Preset {
  const base: Preset = PRESETS[preset]
  return {
    ...base,
    schedule: base.schedule === null ? null : (night ?? base.schedule),
    quiet: quiet ?? null,
    onBattery: base.onBattery || onBattery === true,
  }
}
