import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Knex } from 'knex'
import type { PgBoss } from 'pg-boss'
import { plannedUnits } from '#domain/campaign.ts'
import { candidatesFor, deal } from '#domain/dispatch.ts'
import { reserve } from '#domain/ledger.ts'
import { quote } from '#domain/prices.ts'
import { deadlineFor } from '#domain/transition.ts'
import { drawCheck, mayCompute, provenFuel, streakOf, TRUST, type TrustRules } from '#domain/trust.ts'
import { bossEnqueue, createWake, startBoss } from '#jobs/boss.ts'
import { type JobDeps, QUEUES, type QueueName, STAGES, type Stage } from '#jobs/deps.ts'
import { runnerOf } from '#jobs/start.ts'
import { moveDueUnits } from '#jobs/units.ts'
import { webhookPoster } from '#jobs/webhook-post.ts'
import { CampaignFile } from '#protocol/campaign.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { RunReport } from '#protocol/report.ts'
import {
  addMs,
  type CampaignId,
  type HostId,
  type Instant,
  type ResultId,
  type UserId,
} from '#protocol/units.ts'
import { insertCampaign } from '#store/campaigns.ts'
import { inTransaction } from '#store/database.ts'
import { lease, lockCandidates } from '#store/dispatch.ts'
import { openHistories } from '#store/histories.ts'
import { lockHosts } from '#store/hosts.ts'
import { audit, balanceOf, post } from '#store/ledger.ts'
import { lockReported, storeErrors, storeSuccesses } from '#store/reports.ts'
import type { Wake } from '#store/wake.ts'
import { addUser, runReport, type Stock, sha256, stock, T0, testIds } from './builders.ts'
import { freshDatabase, type TestDatabase } from './database.ts'

export const FUEL = 1e9 // of one run: ten milli-credits
export const DEADLINE = 600_000

/** A database with everything but the edge: hosts lease and report through the store, jobs run when told to. */
export interface Lifecycle {
  readonly knex: Knex
  readonly boss: PgBoss
  readonly deps: JobDeps
  readonly wake: Wake
  readonly stock: Stock
  readonly logged: { level: string; message: string; facts: object }[]
  now(): Instant
  advance(ms: number): void
  /** What the next reports draw, two numbers in [0, 1); by default no check. */
  draw: readonly [number, number]
  close(): Promise<void>
}

/** Nothing is a record and no unit is in the sample: for tests of the life of a work unit, which need no verifier. */
const QUIET: TrustRules = { ...TRUST, sampleShare: 0, leaderRows: 0 }

export async function startLifecycle(rules: Partial<TrustRules> = QUIET): Promise<Lifecycle> {
  const directory = await mkdtemp(join(tmpdir(), 'xeenet-life-'))
  const database: TestDatabase = await freshDatabase()
  const logged: Lifecycle['logged'] = []
  const note = (level: string) => (facts: object, message: string) =>
    void logged.push({ level, message, facts })
  const log = { info: note('info'), warn: note('warn'), error: note('error') }
  const boss = await startBoss({ connectionString: database.connectionString, log })
  let now = T0
  const stocked = await stock(database.knex, directory)
  const deps: JobDeps = {
    ...{ knex: database.knex, blobs: stocked.blobs, now: () => now, ids: testIds },
    ...{ secret: 'a secret of the test', log },
    trust: { ...QUIET, ...rules },
    enqueue: bossEnqueue(boss),
    histories: openHistories(),
    postWebhook: webhookPoster({ networks: [] }),
  }
  return {
    ...{ knex: database.knex, boss, deps, logged, wake: createWake(deps), now: () => now },
    stock: stocked,
    draw: [0.99, 0.99],
    advance: ms => {
      now = addMs(now, ms)
    },
    close: async () => {
      await boss.stop({ graceful: false })
      await database.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Moves work units and runs the jobs of all queues until nothing is left; returns how many units and jobs that were. */
export async function runJobs(
  life: Lifecycle,
  roles: readonly (QueueName | Stage)[] = [...STAGES, ...QUEUES],
): Promise<number> {
  const stages = STAGES.filter(stage => roles.includes(stage))
  for (let ran = 0, idle = false; ; idle = true) {
    const moved = await moveDueUnits(life.deps, stages)
    ran += moved.length
    idle &&= moved.length === 0
    for (const queue of QUEUES.filter(each => roles.includes(each))) {
      const jobs = await life.boss.fetch<{ id: string }>(queue, { batchSize: 100 })
      if (jobs.length === 0) continue
      idle = false
      ran += jobs.length
      const settled = await runnerOf(life.deps, queue)(jobs)
      const done = settled.flatMap(({ id, status }) => (status === 'completed' ? [id] : []))
      if (done.length > 0) await life.boss.complete(queue, done)
      for (const { id, status, output } of settled)
        if (status !== 'completed') await life.boss.fail(queue, id, output)
    }
    if (idle) return ran
  }
}

/** Moves the clock and does what has become due. */
export async function wait(life: Lifecycle, ms: number): Promise<void> {
  life.advance(ms)
  await runJobs(life)
}

interface CampaignSpec {
  readonly runs: number
  readonly quorum?: number
  readonly seeds?: number
  readonly policy?: 'adaptive' | 'fixed'
  readonly milli?: number // what the researcher owns
  /** Of the campaign file, instead of a grid of two parameters. */
  readonly file?: object
}

/** A funded researcher's running campaign, submitted as the edge does it. */
export async function submit(
  life: Lifecycle,
  { runs, quorum = 2, seeds = 1, policy = 'adaptive', milli = 1_000_000, file: more = {} }: CampaignSpec,
  roles?: Parameters<typeof runJobs>[1], // those that run at once
): Promise<{ id: CampaignId; owner: UserId; reservedMilli: number }> {
  const { id: owner } = await addUser(life.knex, `researcher ${++names}`, { milli })
  const file = CampaignFile.parse({
    title: 'Which learning rate?',
    ...{ kernel: 'tiny@0', data: 'fox@1', metric: { name: 'val_bpb', goal: 'minimize' } },
    budget: { fuel_per_run: FUEL, runs, credits: 1000 },
    space: { lr: { log: [0.001, 0.1], points: Math.min(1000, runs + 1) }, width: { choice: [16, 32] } },
    ...{ sampler: { name: 'grid' }, replicate: { quorum, seeds, policy }, deadline_ms: DEADLINE },
    ...{ baseline: false, ...more },
  })
  const id = testIds.campaign(life.now())
  const pruner = file.stop?.prune ?? 'none'
  const baseline = file.baseline || file.stop?.sprt !== undefined ? {} : null
  const plan = { experiments: runs, limit: { fuel: FUEL }, fuelMax: FUEL, pruner, baseline }
  const units = plannedUnits(file, plan)
  const { reserveMilli, priceMilliPerGfuel } = quote({
    ...{ byFlops: null, policy: 'adaptive', units, quorum },
  })
  await inTransaction(life.knex, async trx => {
    await insertCampaign(trx, {
      ...{ id, ownerId: owner, file, kernelSha256: life.stock.kernel.moduleSha256 },
      ...{ datasetSha256: life.stock.dataset.sha256, experimentsPlanned: runs, priceMilliPerGfuel },
      ...{ reservedMilli: reserveMilli, idempotencyKey: null, bodySha256: sha256(id), now: life.now() },
    })
    await post(trx, [reserve({ campaignId: id, userId: owner, amountMilli: reserveMilli })], life.now())
    await life.wake.campaigns(trx, [id])
  })
  await runJobs(life, roles)
  return { id, owner, reservedMilli: reserveMilli }
}

let names = 0

/** Leases up to `limit` results to a host as the edge does, and lets the jobs run; gives their ids. */
export async function take(life: Lifecycle, hostId: HostId, limit = 1): Promise<ResultId[]> {
  const taken = await inTransaction(life.knex, async trx => {
    const [host] = await lockHosts(trx, [hostId], life.now())
    if (host === undefined || !mayCompute(host)) return []
    const fuel = host.trusted ? 0 : provenFuel(streakOf(host, 'wasm'), host.exclusions, life.deps.trust)
    const { userId, ownerKey, trusted } = host
    const asking = { hostId, userId, ownerKey, prefix: null, trusted }
    const machine = { engineClasses: ['wasm'], memoryPages: 65_536, limit: candidatesFor(limit), offset: 0 }
    const candidates = await lockCandidates(
      trx,
      [{ ...asking, ...machine, provenFuel: fuel > 0 ? { wasm: fuel } : {} }],
      // A trusted host takes replicas that starve for a minute; nothing is kept for proven hosts.
      { starvedBefore: addMs(life.now(), -60_000), pairedBefore: life.now() },
    )
    const dealt = deal([{ ...asking, take: limit, candidates }], () => 0).map(({ resultId }) => resultId)
    const leased = candidates.filter(({ resultId }) => dealt.includes(resultId))
    const leases = leased.map(({ resultId, attempt, deadlineMs, graceMs, fuelMax }) => {
      const deadline = addMs(life.now(), deadlineFor({ deadlineMs }, attempt))
      return { resultId, hostId, deadline, graceUntil: addMs(deadline, graceMs), proven: fuel >= fuelMax }
    })
    await lease(trx, leases, life.now())
    await life.wake.workUnits(
      trx,
      leased.map(({ workUnitId }) => workUnitId),
    )
    return leases.map(({ resultId }) => resultId)
  })
  await runJobs(life)
  return taken
}

/** A run that every honest host computes the same, and one that nobody does. */
const honest = (): RunReport => runReport({ fuelUsed: FUEL })
export const lie = (value: number): RunReport =>
  runReport({ fuelUsed: FUEL, metric: { name: 'val_bpb', value } })

/** Reports a success as the edge stores it, and lets the jobs run. */
export async function report(
  life: Lifecycle,
  hostId: HostId,
  ids: readonly ResultId[],
  run: RunReport = honest(),
): Promise<void> {
  await reportOnly(life, hostId, ids, run)
  await runJobs(life)
}

export async function reportOnly(
  life: Lifecycle,
  hostId: HostId,
  ids: readonly ResultId[],
  run: RunReport = honest(),
): Promise<void> {
  const text = canonicalJson(run)
  await inTransaction(life.knex, async trx => {
    const locked = await lockReported(trx, ids)
    const [host] = await lockHosts(trx, [hostId], life.now())
    if (host === undefined) throw new Error(`no host ${hostId}`)
    const streak = streakOf(host, 'wasm')
    const success = {
      ...{ hostId, digest: sha256(text), report: text, signature: 'unchecked here', cpuMs: 1000 },
      ...{ artifactSha256: run.artifactSha256, fuelUsed: run.fuelUsed, metric: run.metric?.value ?? null },
    }
    const reports = locked.map(unit => {
      const proven = !host.trusted && provenFuel(streak, host.exclusions, life.deps.trust) >= unit.fuelMax
      const facts = { unit, ok: run.status === 'ok', proven, streak: streak.count }
      const draw = host.trusted ? 'none' : drawCheck(facts, life.draw, life.deps.trust)
      return {
        ...success,
        resultId: unit.id,
        late: unit.state === 'over',
        proven,
        draw,
        work: null,
        weights: null,
      }
    })
    const stored = await storeSuccesses(trx, reports, life.now())
    if (stored !== ids.length) throw new Error(`${stored} of ${ids.length} reports stored`)
    await life.wake.workUnits(trx, [...new Set(locked.map(({ workUnitId }) => workUnitId))])
  })
}

export async function reportError(
  life: Lifecycle,
  hostId: HostId,
  ids: readonly ResultId[],
  code = 'out_of_memory',
): Promise<void> {
  await inTransaction(life.knex, async trx => {
    const locked = await lockReported(trx, ids)
    const errors = ids.map(resultId => ({ resultId, hostId, code, detail: '', cpuMs: 1 }))
    await storeErrors(trx, errors, life.now())
    await life.wake.workUnits(trx, [...new Set(locked.map(({ workUnitId }) => workUnitId))])
  })
  await runJobs(life)
}

/** Rows of a query, as the driver gives them. */
export async function rows(life: Lifecycle, sql: string, bindings: Record<string, string> = {}) {
  return (await life.knex.raw(sql, bindings)).rows
}

/** The results of the only work unit, oldest first, one word each. */
export async function story(life: Lifecycle): Promise<string> {
  const found = await rows(life, `select kind, state, outcome, verdict, late from results order by id`)
  return found
    .map(({ kind, state, outcome, verdict, late }: Record<string, string | boolean>) =>
      [kind === 'check' ? 'check' : '', late ? 'late' : '', verdict ?? outcome ?? state]
        .filter(Boolean)
        .join(' '),
    )
    .join(', ')
}

export async function unitStates(life: Lifecycle): Promise<string> {
  const found = await rows(
    life,
    `select state || coalesce(' ' || failure::text, '') || case when disputed then ' disputed' else '' end
       || case when published_at is null then '' else ' published' end as text from work_units order by id`,
  )
  return found.map((row: { text: string }) => row.text).join(', ')
}

export const balance = (life: Lifecycle, account: Parameters<typeof balanceOf>[1]): Promise<number> =>
  inTransaction(life.knex, trx => balanceOf(trx, account))

export const auditOf = (life: Lifecycle) => inTransaction(life.knex, audit)
