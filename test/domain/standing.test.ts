import { describe, expect, test } from 'vitest'
import { nextQuota } from '#domain/quota.ts'
import { seedFor } from '#domain/seeds.ts'
import { differsTooOften, recordCheck } from '#domain/trust.ts'
import { DAILY_QUOTA_MAX, DAILY_QUOTA_MIN, SEED_MAX } from '#protocol/limits.ts'
import { Sha256 } from '#protocol/units.ts'

test.each([
  ['error', 100, 50],
  ['abort', 100, 50],
  ['no_reply', 101, 50],
  ['invalid', DAILY_QUOTA_MIN, DAILY_QUOTA_MIN],
  ['valid', 100, 200],
  ['valid', DAILY_QUOTA_MAX - 1, DAILY_QUOTA_MAX],
] as const)('%s changes a daily quota of %i to %i', (event, before, after) => {
  expect(nextQuota(before, event)).toBe(after)
})

describe('comparisons with trusted results', () => {
  const recall = (line: string): string => [...line].reduce((recent, c) => recordCheck(recent, c === '='), '')

  test('the last twenty are remembered', () => {
    expect(recall(`x${'='.repeat(20)}`)).toBe('='.repeat(20))
  })
  test.each([
    ['', false],
    ['x', false], // a flipped bit
    ['x=====x', false],
    ['x=====x==x', true],
    [`x${'='.repeat(18)}xx`, false], // the first of three is forgotten
    [`x${'='.repeat(17)}xx`, true],
  ])('after %s the host is quarantined: %s', (line, expected) => {
    expect(differsTooOften(recall(line))).toBe(expected)
  })
})

describe('seeds', () => {
  const moduleSha256 = Sha256.parse('a'.repeat(64))
  const data = [Sha256.parse('b'.repeat(64))]
  const source = { secret: 'known to the server', moduleSha256, data }

  test('are 48-bit numbers that differ by index, kernel, data and secret', () => {
    const other = Sha256.parse('c'.repeat(64))
    const seeds = [
      ...Array.from({ length: 64 }, (_, i) => seedFor(source, i)),
      seedFor({ ...source, moduleSha256: other }, 0),
      seedFor({ ...source, data: [other] }, 0),
      seedFor({ ...source, secret: 'another' }, 0),
    ]
    expect(new Set(seeds).size).toBe(seeds.length)
    expect(seeds.every(seed => Number.isInteger(seed) && seed >= 0 && seed <= SEED_MAX)).toBe(true)
    expect(Math.max(...seeds)).toBeGreaterThan(2 ** 40)
  })

  test('are the same for ever', () => {
    // by openssl: printf '%s' "aaa…|bbb…|7" | openssl dgst -sha256 -hmac 'known to the server'
    expect(seedFor(source, 0)).toBe(
      seedFor({ ...source, secret: new TextEncoder().encode(source.secret) }, 0),
    )
    expect(seedFor(source, 7)).toBe(0xc432878fe1ca)
  })
})
