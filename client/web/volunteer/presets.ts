import type { LocalMs, MachineReason } from '#runtime/agent-state.ts'
import { type Hours, within } from '#runtime/hours.ts'
import { PRESET_NAMES, type PresetName } from '#runtime/snapshot.ts'

/** As the Compute Pressure API grades it. */
export type Pressure = 'nominal' | 'fair' | 'serious' | 'critical'

/** What a browser can tell about its machine; null: it does not say. Times are of the machine's clock. */
export interface Signals {
  readonly hiddenSince: LocalMs | null
  readonly charging: boolean | null
  readonly pressure: Pressure | null
  /** When the pressure was critical last. */
  readonly criticalAt: LocalMs | null
  /** A device that is held in a hand: it is not computed on when nobody looks. */
  readonly phone: boolean
  /** Logical cores. */
  readonly cores: number
}

/** What a person chose; kept by the browser for the next time. */
export interface Settings {
  readonly preset: PresetName
  /** Of Overnight. */
  readonly night: Hours
  /** Hours without computing, whatever the preset; null: none. */
  readonly quiet: Hours | null
  /** Compute on battery although the preset does not. */
  readonly onBattery: boolean
}

export const SETTINGS: Settings = {
  preset: 'polite',
  night: [22 * 60, 7 * 60],
  quiet: null,
  onBattery: false,
}

/** Settings from what was stored, perhaps by another version. */
export function settingsOf(stored: Readonly<Record<string, unknown>>): Settings {
  const { preset, night, quiet, onBattery } = stored
  return {
    preset: PRESET_NAMES.find(name => name === preset) ?? SETTINGS.preset,
    night: hoursOf(night) ?? SETTINGS.night,
    quiet: hoursOf(quiet) ?? null,
    onBattery: onBattery === true,
  }
}

function hoursOf(value: unknown): Hours | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined
  const [from, to] = value
  const isMinute = (n: unknown): n is number => Number.isInteger(n) && Number(n) >= 0 && Number(n) < 24 * 60
  return isMinute(from) && isMinute(to) ? [from, to] : undefined
}

interface Preset {
  readonly title: string
  /** One line for people. */
  readonly words: string
  readonly cores: (machine: Pick<Signals, 'cores' | 'phone'>) => number
  /** Share of each core's time. */
  readonly share: number
  readonly onBattery: boolean
  /** Gives a core back, or all, when the machine is busy or hot, and one when nobody looks. */
  readonly yields: boolean
  readonly atNight: boolean
}

type Cores = Preset['cores']
// A browser must stay usable itself, and a phone cool: one core is never lent, of a phone half.
const most: Cores = ({ cores, phone }) => Math.max(1, phone ? Math.floor(cores / 2) : cores - 1)
const half: Cores = machine => Math.min(most(machine), Math.max(1, Math.floor(machine.cores / 2)))

const GENTLE = { onBattery: false, yields: true, atNight: false } as const
export const PRESETS = {
  barely: {
    ...GENTLE,
    title: 'Barely there',
    words: 'One core, half of its time. You will not notice.',
    cores: () => 1,
    share: 0.5,
  },
  polite: {
    ...GENTLE,
    title: 'Polite',
    words: 'Half the cores; gives way when the machine is busy, pauses on battery.',
    cores: half,
    share: 1,
  },
  overnight: {
    title: 'Overnight',
    words: 'All cores but one in the hours you choose, and nothing outside them. Pauses on battery.',
    cores: most,
    share: 1,
    onBattery: false,
    yields: false,
    atNight: true,
  },
  all: {
    title: 'All in',
    words: 'All cores but one, always, on battery too. Fans will be heard.',
    cores: most,
    share: 1,
    onBattery: true,
    yields: false,
    atNight: false,
  },
} as const satisfies Record<PresetName, Preset>

/** What a machine lends now. */
export interface Lent {
  readonly cores: number
  readonly share: number
  /** Why nothing is computed now, if so. */
  readonly reasons: readonly MachineReason[]
}

// Somebody who turned to another tab is doing something else; a glance away is no reason.
const HIDDEN_MS = 60_000
// A machine that was hot needs a while to cool, and would be hot again at once.
const COOL_MS = 120_000
// Above these loads Chromium calls the pressure serious and critical. What we cause ourselves is no reason to give way.
const SERIOUS_LOAD = 0.75
const CRITICAL_LOAD = 0.9

/**
 * The rules, from what was chosen and what the machine says. A machine that cannot tell is plugged in and calm.
 * @param at.minute of the local day
 */
export function lentBy(
  settings: Settings,
  signals: Signals,
  at: { readonly now: LocalMs; readonly minute: number },
): Lent {
  const preset: Preset = PRESETS[settings.preset]
  const { share } = preset
  const cores = preset.cores(signals)
  const ownLoad = (cores * share) / signals.cores
  const hidden = signals.hiddenSince !== null
  const reasons: MachineReason[] = []
  if (!preset.onBattery && !settings.onBattery && signals.charging === false) reasons.push('battery')
  if (signals.phone && hidden) reasons.push('hidden')
  if (preset.atNight && !within(settings.night, at.minute)) reasons.push('schedule')
  else if (settings.quiet !== null && within(settings.quiet, at.minute)) reasons.push('schedule')
  if (preset.yields && ownLoad < CRITICAL_LOAD && isCritical(signals, at.now)) reasons.push('pressure')
  const away = !signals.phone && signals.hiddenSince !== null && at.now - signals.hiddenSince >= HIDDEN_MS
  const serious = signals.pressure === 'serious' && ownLoad < SERIOUS_LOAD
  const back = preset.yields ? Number(away) + Number(serious) : 0
  return { cores: Math.max(1, cores - back), share, reasons }
}

const isCritical = ({ pressure, criticalAt }: Signals, now: LocalMs): boolean =>
  pressure === 'critical' || (criticalAt !== null && now - criticalAt < COOL_MS)
