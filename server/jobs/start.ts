import { setTimeout as sleep } from 'node:timers/promises'
import type { Job, JobResult, PgBoss } from 'pg-boss'
import { CampaignId, ExportId, HostId, ProposalId, WebhookId } from '#protocol/units.ts'
import { openHistories } from '#store/histories.ts'
import { countGrown } from '#store/maintenance.ts'
import { runBatch } from './batch.ts'
import { bossEnqueue } from './boss.ts'
import { sweepContributions } from './contributions.ts'
import {
  EVERY_FIVE_SECONDS,
  EVERY_FOUR_MINUTES,
  EVERY_MINUTE,
  EVERY_OTHER_SECOND,
  EVERY_SECOND,
  EVERY_TEN_MINUTES,
  repeat,
} from './cron.ts'
import { type JobDeps, QUEUES, type QueueName, STAGES, type Stage } from './deps.ts'
import { drawAudits, supplyCanaries } from './economics.ts'
import { checkUndelivered, excludeLiars, planEvaluations } from './evaluate.ts'
import { runExamine, sweepProposals } from './examine.ts'
import { runExport, sweepExports } from './export.ts'
import { forgetTraces, forgetWeights } from './forget.ts'
import { hurryTails } from './hurry.ts'
import { inspectLedger, inspectUnits } from './inspect.ts'
import { runPropose } from './propose.ts'
import { proveWeights } from './prove.ts'
import { sampleSymptoms } from './sample.ts'
import { runStanding } from './standing.ts'
import { sweepCampaigns, sweepCredit, sweepHosts } from './sweep.ts'
import { startUnits } from './units.ts'
import { runWebhooks, sweepWebhooks } from './webhooks.ts'

type JobRole = QueueName | Stage | 'cron'

export interface JobsOptions extends Omit<JobDeps, 'enqueue' | 'histories'> {
  readonly boss: PgBoss // from startBoss
  readonly roles: readonly JobRole[]
}

/** Starts the roles asked for; any number of processes may run any of them. `stop` waits for what is in hand. */
export async function startJobs({ boss, roles, ...rest }: JobsOptions): Promise<{ stop(): Promise<void> }> {
  const deps: JobDeps = { ...rest, enqueue: bossEnqueue(boss), histories: openHistories() }
  const queues = QUEUES.filter(queue => roles.includes(queue))
  for (const queue of queues) await work(boss, deps, queue)
  const stages = STAGES.filter(stage => roles.includes(stage))
  const units = stages.length === 0 ? undefined : startUnits(deps, stages)
  const sweepers = roles.includes('cron') ? startSweepers(deps) : []
  return {
    stop: async () => {
      for (const sweeper of sweepers) await sweeper.stop()
      await units?.stop()
      for (const queue of queues) await boss.offWork(queue, { wait: true })
    },
  }
}

// A campaign is a batch by itself.
const BATCH_SIZES = {
  standing: 50,
  propose: 10,
  examine: 1, // seconds each
  webhook: 20, // side by side; each may wait for a slow receiver
  export: 1,
} as const satisfies Record<QueueName, number>

// Notifications come in milliseconds; polling is for those that a broken connection swallowed.
const POLL_SECONDS = 2

async function work(boss: PgBoss, deps: JobDeps, queue: QueueName): Promise<void> {
  const options = {
    batchSize: BATCH_SIZES[queue],
    burstWhenBatchFull: true,
    perJobResults: true,
    pollingIntervalSeconds: POLL_SECONDS,
    notifyPollingIntervalSeconds: POLL_SECONDS,
  } as const
  const run = runnerOf(deps, queue)
  await boss.work<{ id: string }, unknown, typeof options>(
    queue,
    options,
    queue === 'propose' ? jobs => atEase(() => run(jobs)) : run,
  )
}

// Campaigns are woken by every batch of results, and have work in store for seconds: they may take a quarter of the time.
const EASE = 3
const EASE_MS_MAX = 2_000

async function atEase<T>(run: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await run()
  await sleep(Math.min(EASE_MS_MAX, EASE * (performance.now() - began)))
  return result
}

type WakeUps = readonly Job<{ id: string }>[]

/** What the wake-ups of a queue are handed to; answers with what became of each. */
export function runnerOf(deps: JobDeps, queue: QueueName): (jobs: WakeUps) => Promise<JobResult[]> {
  if (queue === 'propose') {
    const batch = { queue, handler: runPropose } // campaigns are swept anyway
    return jobs => runBatch(deps, batch, parsed(jobs, CampaignId.parse))
  }
  if (queue === 'standing') {
    const batch = { queue, handler: runStanding } // what is left to do is asked for again
    return jobs => runBatch(deps, batch, parsed(jobs, HostId.parse))
  }
  if (queue === 'examine') {
    const batch = { queue, handler: runExamine } // proposals are swept anyway
    return jobs => runBatch(deps, batch, parsed(jobs, ProposalId.parse))
  }
  if (queue === 'webhook') {
    const batch = { queue, handler: runWebhooks } // what is left to send is swept anyway
    return jobs => runBatch(deps, batch, parsed(jobs, WebhookId.parse))
  }
  if (queue === 'export') {
    const batch = { queue, handler: runExport } // exports are swept anyway
    return jobs => runBatch(deps, batch, parsed(jobs, ExportId.parse))
  }
  throw new Error(`nothing works on ${queue}`)
}

const parsed = <Id>(jobs: WakeUps, parse: (text: string) => Id) =>
  jobs.map(({ id, data }) => ({ id, data: { id: parse(data.id) } }))

function startSweepers(deps: JobDeps) {
  const { log } = deps
  return [
    repeat(log, { name: 'campaigns', when: EVERY_OTHER_SECOND, what: () => sweepCampaigns(deps) }),
    repeat(log, { name: 'webhooks', when: EVERY_SECOND, what: () => sweepWebhooks(deps) }),
    repeat(log, { name: 'hosts', when: EVERY_FIVE_SECONDS, what: () => sweepHosts(deps) }),
    repeat(log, { name: 'tails', when: EVERY_FIVE_SECONDS, what: () => hurryTails(deps) }),
    repeat(log, { name: 'contributions', when: EVERY_OTHER_SECOND, what: () => sweepContributions(deps) }),
    repeat(log, { name: 'statistics', when: EVERY_FIVE_SECONDS, what: () => countGrown(deps.knex) }),
    repeat(log, { name: 'credit', when: EVERY_MINUTE, what: () => sweepCredit(deps) }),
    repeat(log, { name: 'proposals', when: EVERY_MINUTE, what: () => sweepProposals(deps) }),
    repeat(log, { name: 'exports', when: EVERY_MINUTE, what: () => sweepExports(deps) }),
    repeat(log, { name: 'canaries', when: EVERY_MINUTE, what: () => supplyCanaries(deps) }),
    repeat(log, { name: 'weights', when: EVERY_MINUTE, what: () => planEvaluations(deps) }),
    repeat(log, { name: 'proofs', when: EVERY_OTHER_SECOND, what: () => proveWeights(deps) }),
    repeat(log, { name: 'deliveries', when: EVERY_MINUTE, what: () => checkUndelivered(deps) }),
    repeat(log, { name: 'liars', when: EVERY_MINUTE, what: () => excludeLiars(deps) }),
    repeat(log, { name: 'audits', when: EVERY_FOUR_MINUTES, what: () => drawAudits(deps) }),
    repeat(log, { name: 'units', when: EVERY_FOUR_MINUTES, what: () => inspectUnits(deps) }),
    repeat(log, { name: 'ledger', when: EVERY_FOUR_MINUTES, what: () => inspectLedger(deps) }),
    repeat(log, { name: 'samples', when: EVERY_TEN_MINUTES, what: () => sampleSymptoms(deps) }),
    repeat(log, { name: 'traces', when: EVERY_TEN_MINUTES, what: () => forgetTraces(deps) }),
    repeat(log, { name: 'unshown', when: EVERY_TEN_MINUTES, what: () => forgetWeights(deps) }),
  ]
}
