import { SAMPLE_MINUTES } from '#protocol/limits.ts'
import { type Instant, instant } from '#protocol/units.ts'
import { insertSample } from '#store/samples.ts'
import { type Counts, type Queue, readCounts, readQueues } from '#store/symptoms.ts'
import { DEAD_QUEUE, type JobDeps } from './deps.ts'

const SAMPLE_MS = SAMPLE_MINUTES * 60_000

/** Keeps what the console's figures are now, for its lines over a day. Two processes keep one sample. */
export async function sampleSymptoms({ knex, now }: Pick<JobDeps, 'knex' | 'now'>): Promise<void> {
  const at = instant(Math.floor(now() / SAMPLE_MS) * SAMPLE_MS)
  const counts = await readCounts(knex, now())
  const queues = await readQueues(knex)
  await insertSample(knex, {
    at,
    ...{ unsent: counts.unsent, inProgress: counts.inProgress, pending: counts.pending },
    ...{ reported: counts.success, failed: counts.error + counts.noReply, hosts: counts.activeHosts },
    lagSeconds: lagOf(counts, queues, now()),
    unsealedSeconds: secondsSince(counts.unsealedSince, now()),
    deadLetters: queues.find(({ name }) => name === DEAD_QUEUE)?.waiting ?? 0,
    databaseBytes: counts.databaseBytes,
  })
}

const secondsSince = (at: Instant | null, now: Instant): number =>
  at === null ? 0 : Math.max(0, (now - at) / 1000)

const lagOf = ({ dueSince }: Counts, queues: readonly Queue[], now: Instant): number =>
  Math.max(
    secondsSince(dueSince, now),
    ...queues.flatMap(({ name, oldestSeconds }) => (name === DEAD_QUEUE ? [] : [oldestSeconds ?? 0])),
  )
