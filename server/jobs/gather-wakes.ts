import type { Trx } from '#store/database.ts'
import type { Enqueue, JobDeps } from './deps.ts'

/**
 * Collects what a batch asks to be looked at: it is written by `write`, once for each queue and in one order, so that two batches
 * which ask for the same never wait for each other crosswise, and not for long.
 */
export function gatherWakes(deps: JobDeps): {
  readonly deps: JobDeps
  write(trx: Trx): Promise<void>
} {
  const asked = new Map<Parameters<Enqueue>[1], Set<string>>()
  const enqueue: Enqueue = async (_, queue, ids) => {
    asked.set(queue, (asked.get(queue) ?? new Set()).union(new Set(ids)))
  }
  const write = async (trx: Trx): Promise<void> => {
    for (const [queue, ids] of [...asked].sort(([a], [b]) => (a < b ? -1 : 1)))
      await deps.enqueue(trx, queue, [...ids])
  }
  return { deps: { ...deps, enqueue }, write }
}
