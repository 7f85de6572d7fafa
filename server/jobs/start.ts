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
  sparing,
} from './cron.ts'
import { type CampaignHandler, type JobDeps, QUEUES, type QueueName, STAGES, type Stage } from './deps.ts'
import { drawAudits, supplyCanaries } from './economics.ts'
import { checkUndelivered, excludeLiars, planEvaluations } from './evaluate.ts'
import { runExamine, sweepProposals } from './examine.ts'
import { runExport, sweepExports } from './export.ts'
import { forgetTraces, forgetWeights } from './forget.ts'
import { hurryTails, passOnChecks } from './hurry.ts'
import { inspectChain, inspectLedger, inspectUnits } from './inspect.ts'
import { runPropose } from './propose.ts'
import { proveWeights } from './prove.ts'
import { lookAtDue, openRests, unlessResting } from './rests.ts'
import { sampleSymptoms } from './sample.ts'
import { runStanding } from './standing.ts'
import { sweepCampaigns, sweepCredit, sweepHosts } from './sweep.ts'
import { startUnits } from './units.ts'
import { runWebhooks, sweepWebhooks } from './webhooks.ts'

type JobRole = QueueName | Stage | 'cron'

export interface JobsOptions extends Omit<JobDeps, 'enqueue' | 'histories'> {
  readonly boss: PgBoss // from startBoss
  readonly roles: readonly JobRole[]
  /** Whether it is this process that sweeps now, of those with the role `cron`. */
  readonly leads: () => Promise<boolean>
}

/** Starts the roles asked for; any number of processes may run any of them. `stop` waits for what is in hand. */
export async function startJobs({
  boss,
  roles,
  leads,
  ...rest
}: JobsOptions): Promise<{ stop(): Promise<void> }> {
  const rests = openRests()
  const enqueue = unlessResting(bossEnqueue(boss), rests, rest.now)
  const deps: JobDeps = { ...rest, enqueue, histories: openHistories() }
  const queues = QUEUES.filter(queue => roles.includes(queue))
  for (const queue of queues) await work(boss, runnerOf(deps, queue, lookAtDue(rests)), queue)
  const stages = STAGES.filter(stage => roles.includes(stage))
  const units = stages.length === 0 ? undefined : startUnits(deps, stages)
  const sweepers = roles.includes('cron') ? startSweepers(deps, leads) : []
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

// While PostgreSQL works for one campaign this process plans the runs of another; one alone makes fewer units than are computed.
const CAMPAIGNS_AT_ONCE = 2

// Notifications come in milliseconds; polling is for those that a broken connection swallowed.
const POLL_SECONDS = 2

async function work(boss: PgBoss, run: ReturnType<typeof runnerOf>, queue: QueueName): Promise<void> {
  const options = {
    batchSize: BATCH_SIZES[queue],
    localConcurrency: queue === 'propose' ? CAMPAIGNS_AT_ONCE : 1,
    burstWhenBatchFull: true,
    perJobResults: true,
    pollingIntervalSeconds: POLL_SECONDS,
    notifyPollingIntervalSeconds: POLL_SECONDS,
  } as const
  await boss.work<{ id: string }, unknown, typeof options>(
    queue,
    options,
    queue === 'propose' ? jobs => atEase(() => run(jobs)) : run,
  )
}

// Campaigns are woken by every batch of results, and have work in store for seconds: each look may take a quarter of the time.
const EASE = 3
const EASE_MS_MAX = 1_000

async function atEase<T>(run: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await run()
  await sleep(Math.min(EASE_MS_MAX, EASE * (performance.now() - began)))
  return result
}

type WakeUps = readonly Job<{ id: string }>[]

/** What the wake-ups of a queue are handed to; answers with what became of each. */
export function runnerOf(
  deps: JobDeps,
  queue: QueueName,
  propose: CampaignHandler = runPropose,
): (jobs: WakeUps) => Promise<JobResult[]> {
  if (queue === 'propose') {
    const batch = { queue, handler: propose } // campaigns are swept anyway
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

// Each round asks anew. One that began just before another process took over meets the other's: both commit, and nothing is done twice.
function startSweepers(deps: JobDeps, leads: () => Promise<boolean>) {
  const sweep = (name: string, when: string, what: () => Promise<unknown>) =>
    repeat(deps.log, { name, when, what: async () => (await leads()) && (await what()) })
  return [
    sweep('campaigns', EVERY_OTHER_SECOND, () => sweepCampaigns(deps)),
    sweep('webhooks', EVERY_SECOND, () => sweepWebhooks(deps)),
    sweep('hosts', EVERY_FIVE_SECONDS, () => sweepHosts(deps)),
    // One after the other: each needs the daemon's turn, and at once one of them would do nothing.
    sweep('tails', EVERY_SECOND, async () => {
      await passOnChecks(deps)
      await hurryTails(deps)
    }),
    sweep('contributions', EVERY_OTHER_SECOND, () => sweepContributions(deps)),
    sweep('statistics', EVERY_FIVE_SECONDS, () => countGrown(deps.knex)),
    sweep('credit', EVERY_MINUTE, () => sweepCredit(deps)),
    sweep('proposals', EVERY_MINUTE, () => sweepProposals(deps)),
    sweep('exports', EVERY_MINUTE, () => sweepExports(deps)),
    sweep('canaries', EVERY_MINUTE, () => supplyCanaries(deps)),
    sweep('weights', EVERY_MINUTE, () => planEvaluations(deps)),
    sweep('proofs', EVERY_OTHER_SECOND, () => proveWeights(deps)),
    sweep('deliveries', EVERY_MINUTE, () => checkUndelivered(deps)),
    sweep('liars', EVERY_MINUTE, () => excludeLiars(deps)),
    sweep('audits', EVERY_FOUR_MINUTES, () => drawAudits(deps)),
    sweep('units', EVERY_FOUR_MINUTES, () => inspectUnits(deps)),
    sweep(
      'ledger',
      EVERY_FOUR_MINUTES,
      sparing(() => inspectLedger(deps)),
    ),
    sweep('chain', EVERY_MINUTE, () => inspectChain(deps)),
    sweep('samples', EVERY_TEN_MINUTES, () => sampleSymptoms(deps)),
    sweep('traces', EVERY_TEN_MINUTES, () => forgetTraces(deps)),
    sweep('unshown', EVERY_TEN_MINUTES, () => forgetWeights(deps)),
  ]
}
