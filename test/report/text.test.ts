import { expect, test } from 'vitest'
import { xml } from '#report/text.ts'

test('text of a figure keeps every character that XML can carry, and nothing else', () => {
  expect(xml('Größe 😀 <a & "b">')).toBe('Größe 😀 &lt;a &amp; &quot;b&quot;&gt;')
  expect(xml('a\uFFFEb\uFFFFc\uD83Dd\uDE00e\u0001f\u202Eg')).toBe('abcdefg')
})
