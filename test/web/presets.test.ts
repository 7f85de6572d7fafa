import { describe, expect, test } from 'vitest'
import {
  lentBy,
  SETTINGS,
  type Settings,
  type Signals,
  settingsOf,
} from '../../client/web/volunteer/presets.ts'

const NOW = 10_000_000
const DESK: Signals = {
  ...{ hiddenSince: null, charging: null, pressure: null, criticalAt: null, phone: false, cores: 8 },
}
const PHONE: Signals = { ...DESK, phone: true }
const AT = { now: NOW, minute: 12 * 60 }
type Name = Settings['preset']
const lent = (preset: Name, signals: Signals, more: Partial<Settings> = {}, minute = AT.minute) =>
  lentBy({ ...SETTINGS, preset, ...more }, signals, { now: NOW, minute })

describe('what a browser lends', () => {
  test.each([
    ['barely', DESK, 1, 0.5],
    ['polite', DESK, 4, 1],
    ['all', DESK, 7, 1],
    ['overnight', DESK, 7, 1],
    ['polite', PHONE, 4, 1],
    ['all', PHONE, 4, 1],
    ['polite', { ...DESK, cores: 1 }, 1, 1],
    ['all', { ...DESK, cores: 1 }, 1, 1],
    ['polite', { ...DESK, hiddenSince: NOW - 59_000 }, 4, 1],
    ['polite', { ...DESK, hiddenSince: NOW - 60_000 }, 3, 1],
    ['barely', { ...DESK, hiddenSince: NOW - 60_000 }, 1, 0.5],
    ['all', { ...DESK, hiddenSince: NOW - 60_000 }, 7, 1],
    ['polite', { ...DESK, pressure: 'serious' }, 3, 1],
    ['polite', { ...DESK, pressure: 'serious', hiddenSince: 0 }, 2, 1],
    ['polite', { ...DESK, pressure: 'fair' }, 4, 1],
    ['all', { ...DESK, pressure: 'serious' }, 7, 1],
  ] as const)('%s, %j: %i cores at %f', (preset, signals, cores, share) => {
    expect(lent(preset, signals)).toMatchObject({ cores, share })
  })

  test.each([
    ['polite', DESK, {}, []],
    ['polite', { ...DESK, hiddenSince: 0 }, {}, []],
    ['polite', { ...DESK, charging: false }, {}, ['battery']],
    ['polite', { ...DESK, charging: false }, { onBattery: true }, []],
    ['barely', { ...DESK, charging: false }, {}, ['battery']],
    ['all', { ...DESK, charging: false }, {}, []],
    ['polite', { ...PHONE, hiddenSince: NOW }, {}, ['hidden']],
    ['all', { ...PHONE, hiddenSince: NOW, charging: false }, {}, ['hidden']],
    ['polite', { ...PHONE, charging: true }, {}, []],
    ['polite', { ...DESK, pressure: 'critical' }, {}, ['pressure']],
    ['polite', { ...DESK, pressure: 'nominal', criticalAt: NOW - 119_000 }, {}, ['pressure']],
    ['polite', { ...DESK, pressure: 'nominal', criticalAt: NOW - 120_000 }, {}, []],
    ['all', { ...DESK, pressure: 'critical' }, {}, []],
    // one core of one: the pressure is our own doing
    ['polite', { ...DESK, cores: 1, pressure: 'critical' }, {}, []],
    ['overnight', DESK, {}, ['schedule']],
    ['overnight', DESK, { night: [11 * 60, 13 * 60] }, []],
    ['polite', DESK, { quiet: [12 * 60, 13 * 60] }, ['schedule']],
    ['all', DESK, { quiet: [13 * 60, 12 * 60] }, []],
  ] as const)('%s at noon, %j, %j: pauses for %j', (preset, signals, more, reasons) => {
    expect(lent(preset, signals, more).reasons).toEqual(reasons)
  })

  test('Overnight begins at ten in the evening and ends at seven', () => {
    const on = [0, 419, 420, 1319, 1320].map(
      minute => lent('overnight', DESK, {}, minute).reasons.length === 0,
    )
    expect(on).toEqual([true, true, false, false, true])
  })
})

test.each([
  [{}, SETTINGS],
  [
    { preset: 'all', onBattery: true, quiet: [60, 120] },
    { ...SETTINGS, preset: 'all', onBattery: true, quiet: [60, 120] },
  ],
  [{ preset: 'turbo', night: [60], quiet: [-1, 2000], onBattery: 'yes' }, SETTINGS],
  [{ night: 'always', quiet: [1.5, 2] }, SETTINGS],
])('settings that were kept as %j are read as %j', (stored, settings) => {
  expect(settingsOf(stored)).toEqual(settings)
})
