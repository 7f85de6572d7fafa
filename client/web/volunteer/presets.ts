import type { PauseReason } from '#runtime/agent-state.ts'

/** What a browser can tell about its machine; null: it does not say. */
export interface Signals {
  readonly visible: boolean
  readonly charging: boolean | null
  /** A device that is held in a hand: it is not computed on when nobody looks. */
  readonly phone: boolean
  /** Logical cores. */
  readonly cores: number
}

interface Preset {
  readonly title: string
  readonly cores: (signals: Signals) => number
  /** Share of each core's time. */
  readonly share: number
  readonly onBattery: boolean
}

// A browser must stay usable itself, and a phone cool: one core is never lent, of a phone half.
const most = ({ cores, phone }: Signals): number => Math.max(1, phone ? Math.floor(cores / 2) : cores - 1)

export const PRESETS = {
  barely: { title: 'Barely there', cores: () => 1, share: 0.5, onBattery: false },
  polite: {
    title: 'Polite',
    cores: signals => Math.min(most(signals), Math.max(1, Math.floor(signals.cores / 2))),
    share: 1,
    onBattery: false,
  },
  all: { title: 'All in', cores: most, share: 1, onBattery: true },
} as const satisfies Record<string, Preset>

export type PresetName = keyof typeof PRESETS

/** Why to pause now. A machine that cannot tell is plugged in. */
export function pausesFor(name: PresetName, { visible, charging, phone }: Signals): readonly PauseReason[] {
  const reasons: PauseReason[] = []
  if (!PRESETS[name].onBattery && charging === false) reasons.push('battery')
  if (phone && !visible) reasons.push('hidden')
  return reasons
}
