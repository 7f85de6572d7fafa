import { PgBoss } from 'pg-boss'
import type { Instant } from '#protocol/units.ts'
import { runNumbered } from '#store/rows.ts'
import type { Wake } from '#store/wake.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { DEAD_QUEUE, type Enqueue, type JobLog, QUEUES, type QueueName, STAGES } from './deps.ts'

interface BossOptions {
  readonly connectionString: string
  readonly log: JobLog
}

// Wake-ups are small and many: they are forgotten after an hour, the dead ones after a month.
const QUEUE_OPTIONS = {
  policy: 'short', // one that waits per key; a second may wait while the first is at work
  notify: true,
  retryLimit: 5,
  retryDelay: 1, // seconds, doubling
  retryBackoff: true,
  expireInSeconds: 120, // a killed process's wake-ups go to another one after this; the sweeper is faster
  deleteAfterSeconds: 3600,
  deadLetter: DEAD_QUEUE,
} as const
// The largest export takes minutes; built twice at once it is right, and a waste.
const SLOW: Partial<Record<QueueName, { readonly expireInSeconds: number }>> = {
  export: { expireInSeconds: 1800 },
}
const DEAD_SECONDS = 30 * 24 * 3600

// Each role fetches, settles and listens; more connections than this would wait for the database anyway.
const BOSS_CONNECTIONS = 4

/** Starts pg-boss on schema `pgboss` with our queues. Stop it with `boss.stop()`. */
export async function startBoss({ connectionString, log }: BossOptions): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString,
    schema: 'pgboss',
    application_name: 'xeenet-jobs',
    max: BOSS_CONNECTIONS,
    useListenNotify: true,
    schedule: false, // node-cron is the clock
  })
  boss.on('error', error => log.error({ error: error.message }, 'pg-boss met an error'))
  boss.on('warning', ({ message, data }) => log.warn({ data }, message))
  await boss.start()
  await boss.createQueue(DEAD_QUEUE, { deleteAfterSeconds: DEAD_SECONDS, retentionSeconds: DEAD_SECONDS })
  for (const queue of QUEUES) await boss.createQueue(queue, { ...QUEUE_OPTIONS, ...SLOW[queue] })
  // Earlier versions had a queue for each stage of a work unit, whose row says what is due.
  for (const stage of STAGES) if ((await boss.getQueue(stage)) !== null) await boss.deleteQueue(stage)
  return boss
}

/** Enqueues through pg-boss inside the caller's transaction. Ids are sorted, so that two callers never wait for each other. */
export function bossEnqueue(boss: PgBoss): Enqueue {
  return async (trx, queue, ids, why) => {
    if (ids.length === 0) return
    // One text for each queue: planning it was a third of what it cost.
    const db = { executeSql: (text: string, values: string[] = []) => runNumbered(trx, text, values) }
    const wanted = queue === DEAD_QUEUE ? await notYetDead(boss, ids) : ids
    const given = why === undefined ? {} : { error: why }
    const jobs = [...new Set(wanted)].sort().map(id => ({ data: { id, ...given }, singletonKey: id }))
    if (jobs.length > 0) await boss.insert(queue, jobs, { db, returnId: false })
  }
}

/** What comes back every few minutes is one dead letter all the same. */
async function notYetDead(boss: PgBoss, ids: readonly string[]): Promise<string[]> {
  const known = await Promise.all(ids.map(key => boss.findJobs(DEAD_QUEUE, { key, queued: true, limit: 1 })))
  return ids.filter((_, i) => known[i]?.length === 0)
}

/** The wake-ups of the edge. */
export function createWake({ enqueue, now }: { enqueue: Enqueue; now: () => Instant }): Wake {
  return {
    workUnits: (trx, ids) => touchWorkUnits(trx, ids, now()), // their rows are the queue (units.ts)
    campaigns: (trx, ids) => enqueue(trx, 'propose', ids),
    hosts: (trx, ids) => enqueue(trx, 'standing', ids),
    proposals: (trx, ids) => enqueue(trx, 'examine', ids),
    exports: (trx, ids) => enqueue(trx, 'export', ids),
  }
}
