import type { JobResult } from 'pg-boss'
import { isUnavailable } from '#store/errors.ts'
import type { Handler, JobDeps, QueueName } from './deps.ts'

interface WakeUp<Id> {
  readonly id: string // of the pg-boss job
  readonly data: { readonly id: Id }
}

interface Batch<Id> {
  readonly queue: QueueName
  readonly handler: Handler<Id>
}

/**
 * Runs a handler over a batch of wake-ups. If it fails, each id is tried alone, so that a poison one stops only itself:
 * it is logged, and retried by pg-boss until it ends in the queue `dead`.
 */
export async function runBatch<Id extends string>(
  deps: JobDeps,
  { queue, handler }: Batch<Id>,
  jobs: readonly WakeUp<Id>[],
): Promise<JobResult[]> {
  const ids = [...new Set(jobs.map(job => job.data.id))].sort()
  const failures = new Map<Id, unknown>()
  try {
    await handler(deps, ids)
  } catch (error) {
    deps.log.warn({ queue, ids, error: messageOf(error) }, 'a batch failed: trying one by one')
    for (const id of ids) {
      try {
        await handler(deps, [id])
      } catch (failure) {
        failures.set(id, failure)
      }
    }
  }
  writeDown(deps, queue, failures)
  return jobs.map(({ id, data }) =>
    failures.has(data.id)
      ? { id, status: 'failed', output: { error: messageOf(failures.get(data.id)) } }
      : { id, status: 'completed' },
  )
}

function writeDown({ log }: JobDeps, queue: QueueName, failures: ReadonlyMap<string, unknown>): void {
  for (const [id, failure] of failures)
    if (!isUnavailable(failure))
      log.error({ queue, id, error: messageOf(failure), stack: stackOf(failure) }, 'a wake-up failed')
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const stackOf = (error: unknown): string | undefined => (error instanceof Error ? error.stack : undefined)
