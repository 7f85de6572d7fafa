import type { Instant } from '#protocol/units.ts'

/** What is dear to compute, by name, for a moment: calls at the same time share one, and a changed `stamp` makes another. */
export interface Kept<Name, T> {
  get(name: Name, stamp: number, compute: () => Promise<T>): Promise<T>
}

/** Keeps `most` values, each for so long from when it was begun, in this process. A failure is not kept. */
export function newKept<Name, T>(
  now: () => Instant,
  { forMs, most }: { readonly forMs: number; readonly most: number },
): Kept<Name, T> {
  const kept = new Map<Name, { readonly at: Instant; readonly stamp: number; readonly value: Promise<T> }>()
  return {
    get: (name, stamp, compute) => {
      const before = kept.get(name)
      if (before !== undefined && before.stamp === stamp && now() - before.at < forMs) return before.value
      const fresh = { at: now(), stamp, value: compute() }
      kept.delete(name)
      kept.set(name, fresh)
      for (const oldest of [...kept.keys()].slice(0, -most)) kept.delete(oldest)
      fresh.value.catch(() => {
        if (kept.get(name) === fresh) kept.delete(name)
      })
      return fresh.value
    },
  }
}
