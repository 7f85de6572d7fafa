import { signal } from '@preact/signals'
import { parseHours } from '#runtime/hours.ts'
import { SETTINGS, type Settings, settingsOf } from './presets.ts'

const KEY = 'xeenet-settings'

/** What a person chose, also the last time. It says how to compute once Start is pressed, and starts nothing. */
export const choice = signal<Settings>(kept())

export function choose(changes: Partial<Settings>): Settings {
  choice.value = { ...choice.value, ...changes }
  try {
    localStorage.setItem(KEY, JSON.stringify(choice.value))
  } catch {
    // a browser that keeps nothing: the choice holds for this visit
  }
  return choice.value
}

/** Whatever in it does not fit is as if it were not there. */
function kept(): Settings {
  try {
    return settingsOf(JSON.parse(localStorage.getItem(KEY) ?? '{}'))
  } catch {
    return SETTINGS
  }
}

/** Two times of an `<input type=time>` as hours; undefined while one of them is empty. */
export const hoursFrom = (from: string, to: string): readonly [number, number] | undefined =>
  parseHours(`${from}-${to}`)
