import { describe, expect, test } from 'vitest'
import { readSettings, withSetting } from '#client/node/settings.ts'

describe('the settings of a person', () => {
  test.each([
    ['', {}],
    [
      'server = "https://x.example"\ncores = "MAX-1"\n# a remark\non_battery = true',
      { server: 'https://x.example', cores: 'MAX-1', on_battery: true },
    ],
    ['cores = 3', { cores: '3' }],
  ])('%j is read', (text, settings) => expect(readSettings(text)).toEqual({ ok: true, settings }))

  test.each([
    ['server = "ftp://x"', /expected an http/],
    ['corse = 2', /corse/],
    ['cores = "many"', /expected a number, 50%/],
    ['a = 1\nb ==', /line 2/],
    ['schedule = "always"', /22:00-07:00/],
    ['preset = "loud"', /preset/],
  ])('%j is refused, and it is said what is wrong', (text, fault) => {
    const read = readSettings(text)
    expect(read.ok ? '' : read.fault).toMatch(fault)
  })

  test('one key is changed, and what a person wrote around it stays', () => {
    const text = '# at night\npreset = "polite" # for now\n\nserver = "https://x.example"\n'
    const changed = withSetting(text, 'preset', 'all')
    expect(changed).toBe('# at night\npreset = "all"\n\nserver = "https://x.example"\n')
    expect(withSetting(changed, 'preset', undefined)).toBe('# at night\n\nserver = "https://x.example"\n')
    expect(withSetting('', 'share', '0.5')).toBe('share = 0.5\n')
    expect(withSetting('', 'name', 'a "b" = c')).toBe(`name = ${JSON.stringify('a "b" = c')}\n`)
  })
})
