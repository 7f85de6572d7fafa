import { describe, expect, test } from 'vitest'
import { CALM, type Overload, relaxed, waitAsked, worsened } from '#domain/overload.ts'
import { backoffMs } from '#runtime/backoff.ts'
import { seeded } from '#support/seeded.ts'

const half = (): number => 0.5

describe('what a refused caller is asked to wait', () => {
  const refusedAt = (seconds: readonly number[]): Overload =>
    seconds.reduce((overload, second) => worsened(overload, second * 1000), CALM)

  test.each([
    ['once', [100], 750],
    ['often within one second', [100, 100.1, 100.5, 100.9], 750],
    ['in three seconds in a row', [100, 101, 102], 3_000],
    ['for a minute', Array.from({ length: 60 }, (_, i) => 100 + i), 45_000],
  ])('%s: grows with every second it lasts', (_how, seconds, ms) => {
    expect(waitAsked(refusedAt(seconds), half)).toBe(ms)
  })

  test('is forgotten as slowly as it came', () => {
    const bad = refusedAt([100, 101, 102, 103, 104])
    expect([0.5, 2.5, 4.5, 60].map(later => relaxed(bad, (104 + later) * 1000).level)).toEqual([5, 4, 2, 0])
  })

  test('is never more than a minute, nor twice the same', () => {
    const rng = seeded()
    const worst = refusedAt(Array.from({ length: 99 }, (_, i) => i + 1))
    const waits = Array.from({ length: 1000 }, () => waitAsked(worst, rng))
    expect(Math.max(...waits)).toBeLessThanOrEqual(60_000)
    expect(new Set(waits).size).toBeGreaterThan(950)
  })
})

/**
 * A server that answers `capacity` calls a second and refuses the rest comes back after `downMs`, in which `hosts` hosts lost it, each at
 * a moment of its own work. Counts, second by second from then on, what came and what was answered.
 */
function recover({ hosts, capacity, downMs, retry }: Recovery): { came: number[]; answered: number[] } {
  const rng = seeded()
  const slots = new Map<number, { attempt: number }[]>() // by ms / 100
  const at = (ms: number, caller: { attempt: number }): void => {
    const slot = Math.floor(ms / SLOT_MS)
    slots.set(slot, [...(slots.get(slot) ?? []), caller])
  }
  for (let i = 0; i < hosts; i++) at(rng() * 10_000, { attempt: 0 })
  const [came, answered]: [number[], number[]] = [[], []]
  let overload = CALM
  for (let slot = 0; slot * SLOT_MS < downMs + LATER_MS; slot++) {
    const now = slot * SLOT_MS
    const second = Math.floor((now - downMs) / 1000)
    for (const caller of slots.get(slot) ?? []) {
      caller.attempt++
      if (now < downMs) {
        at(now + SLOT_MS + retry(caller.attempt, rng, 0), caller)
        continue
      }
      came[second] = (came[second] ?? 0) + 1
      if ((answered[second] ?? 0) < capacity) answered[second] = (answered[second] ?? 0) + 1
      else {
        overload = worsened(overload, now)
        at(now + SLOT_MS + retry(caller.attempt, rng, waitAsked(overload, rng)), caller)
      }
    }
    slots.delete(slot)
  }
  return { came: [...came].map(n => n ?? 0), answered: [...answered].map(n => n ?? 0) }
}

interface Recovery {
  readonly hosts: number
  readonly capacity: number // calls a second
  readonly downMs: number
  readonly retry: (attempt: number, rng: () => number, floorMs: number) => number
}

const SLOT_MS = 100
const LATER_MS = 15 * 60_000
const sum = (values: readonly number[]): number => values.reduce((total, n) => total + n, 0)

describe('a server that comes back is not stampeded', () => {
  test.each([30_000, 300_000, 1_200_000])(
    'after %i ms without it, 10,000 hosts come spread, and all are served',
    downMs => {
      const { came, answered } = recover({ hosts: 10_000, capacity: 200, downMs, retry: backoffMs })
      expect(sum(answered)).toBe(10_000)
      // Two seconds' worth of callers is the most that ever comes within one; refused calls are cheap.
      expect(Math.max(...came)).toBeLessThan(10_000 * 0.12)
      expect(sum(came)).toBeLessThan(3 * 10_000)
    },
  )

  test('which hosts without jitter would do', () => {
    const herd = (attempt: number): number => Math.min(300_000, 500 * 2 ** Math.min(attempt - 1, 30))
    const calm = recover({ hosts: 10_000, capacity: 200, downMs: 300_000, retry: backoffMs })
    const wild = recover({ hosts: 10_000, capacity: 200, downMs: 300_000, retry: herd })
    expect(Math.max(...wild.came)).toBeGreaterThan(3 * Math.max(...calm.came))
  })
})
