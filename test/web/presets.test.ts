import { expect, test } from 'vitest'
import { PRESETS, pausesFor, type Signals } from '../../client/web/volunteer/presets.ts'

const DESK: Signals = { visible: true, charging: null, phone: false, cores: 8 }
const PHONE: Signals = { ...DESK, phone: true }

test.each([
  ['polite', DESK, []],
  ['polite', { ...DESK, visible: false }, []],
  ['polite', { ...DESK, charging: false }, ['battery']],
  ['barely', { ...DESK, charging: false }, ['battery']],
  ['all', { ...DESK, charging: false }, []],
  ['polite', { ...PHONE, visible: false }, ['hidden']],
  ['all', { ...PHONE, visible: false, charging: false }, ['hidden']],
  ['polite', { ...PHONE, charging: true }, []],
] as const)('%s with %j pauses for %j', (preset, signals, reasons) => {
  expect(pausesFor(preset, signals)).toEqual(reasons)
})

test.each([
  ['barely', DESK, 1],
  ['polite', DESK, 4],
  ['all', DESK, 7],
  ['polite', PHONE, 4],
  ['all', PHONE, 4],
  ['polite', { ...DESK, cores: 1 }, 1],
  ['all', { ...DESK, cores: 1 }, 1],
] as const)('%s on %j lends %i cores', (preset, signals, cores) => {
  expect(PRESETS[preset].cores(signals)).toBe(cores)
})
