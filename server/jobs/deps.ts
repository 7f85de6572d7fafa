import type { Knex } from 'knex'
import type { TrustRules } from '#domain/trust.ts'
import type {
  ActionId,
  CampaignId,
  DeliveryId,
  ExperimentId,
  HostId,
  Instant,
  NoteId,
  ResultId,
  WorkUnitId,
} from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import type { Trx } from '#store/database.ts'
import type { Histories } from '#store/histories.ts'
import type { PostWebhook } from './webhook-post.ts'

/** What moves work units, batch by batch: their own rows say what is due (units.ts). */
export const STAGES = ['transition', 'validate', 'assimilate'] as const
export type Stage = (typeof STAGES)[number]

/** What pg-boss carries wake-ups for. */
export const QUEUES = ['standing', 'propose', 'examine', 'webhook', 'export'] as const
export type QueueName = (typeof QUEUES)[number]

/** Where ends what the code cannot get over, for an operator to read. */
export const DEAD_QUEUE = 'dead'

/**
 * Asks for a look at the things named by `ids`, in the caller's transaction. Requests that still wait collapse into one. `why`: of
 * what is given up, for the operator.
 */
export type Enqueue = (
  trx: Trx,
  queue: QueueName | typeof DEAD_QUEUE,
  ids: readonly string[],
  why?: string,
) => Promise<void>

export interface JobLog {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** What every handler is given. */
export interface JobDeps {
  readonly knex: Knex
  readonly blobs: Blobs
  readonly now: () => Instant
  readonly ids: {
    experiment(now: Instant): ExperimentId
    workUnit(now: Instant): WorkUnitId
    result(now: Instant): ResultId
    action(now: Instant): ActionId
    note(now: Instant): NoteId
    delivery(now: Instant): DeliveryId
  }
  /** Seeds and checks are drawn under it. */
  readonly secret: string | Uint8Array
  readonly trust: TrustRules
  readonly enqueue: Enqueue
  readonly histories: Histories
  readonly postWebhook: PostWebhook
  readonly log: JobLog
}

/** Looks at a batch; safe to run twice and to be killed at any line. */
export type Handler<Id> = (deps: JobDeps, ids: readonly Id[]) => Promise<void>

export type CampaignHandler = Handler<CampaignId>
export type HostHandler = Handler<HostId>
