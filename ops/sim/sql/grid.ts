import { createHash } from 'node:crypto'
import { reserve, starter } from '#domain/ledger.ts'
import { quote } from '#domain/prices.ts'
import { wholeRuns } from '#domain/rungs.ts'
import { TRUST, type TrustRules } from '#domain/trust.ts'
import { answerCalls, type Answer as Reply } from '#http/round-trip.ts'
import { drawAudits, supplyCanaries } from '#jobs/economics.ts'
import { runPropose } from '#jobs/propose.ts'
import { runStanding } from '#jobs/standing.ts'
import { sweepHosts } from '#jobs/sweep.ts'
import { moveDueUnits } from '#jobs/units.ts'
import { CampaignFile } from '#protocol/campaign.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import { DAILY_QUOTA_START, MARKS } from '#protocol/limits.ts'
import { RunReport } from '#protocol/report.ts'
import { SchedulerReply } from '#protocol/scheduler.ts'
import {
  CampaignId,
  HostId,
  type Instant,
  instant,
  type ResultId,
  Sha256,
  type WorkUnitId,
} from '#protocol/units.ts'
import { insertCampaign } from '#store/campaigns.ts'
import { inTransaction } from '#store/database.ts'
import { insertHost } from '#store/hosts.ts'
import { post } from '#store/ledger.ts'
import { insertUser } from '#store/users.ts'
import type { Clock } from '../engine.ts'
import type { Call, CampaignSpec, Enrolment, Grid, Report, SimLease, Reply as SimReply } from '../grid.ts'
import { DEADLINE_MS, FUEL } from '../pure/settings.ts'
import type { Answer } from '../truth.ts'
import { endingOf, nextWake, openReplicas, runsOf, somePaused, unitsOfHosts, viewsOf } from './look.ts'
import { type Server, startServer } from './server.ts'

export const sha256 = (text: string): Sha256 => Sha256.parse(createHash('sha256').update(text).digest('hex'))

interface Life {
  readonly server: Server
  readonly clock: Clock
  readonly calls: Map<HostId, number>
  readonly cores: Map<HostId, number>
  /** What was said, to be told from the digest. */
  readonly answers: Map<ResultId, Answer>
  readonly numbers: Map<CampaignId, number>
  readonly looked: Set<WorkUnitId>
  /** Some host may be waiting for its results to be judged again. */
  paused: boolean
}

/** The server as it is, but for pg-boss, whose queues are sets here, and HTTP with its signatures. `stop` ends its database. */
export async function sqlGrid(given: {
  readonly seed: number
  readonly clock: Clock
  readonly rules?: TrustRules
}): Promise<Grid & { stop(): Promise<void> }> {
  const server = await startServer({ rules: TRUST, ...given })
  const life: Life = {
    ...{ server, clock: given.clock, calls: new Map(), cores: new Map(), answers: new Map() },
    ...{ numbers: new Map(), looked: new Set(), paused: false },
  }
  return {
    leaderRows: TRUST.leaderRows,
    enrol: enrolment => enrol(life, enrolment),
    submit: spec => submit(life, spec),
    call: call => answer(life, call),
    settle: () => settle(life),
    audit: async () => {
      await supplyCanaries(server.deps)
      await drawAudits(server.deps)
    },
    wakeAt: () => nextWake(server.knex),
    changes: async () => {
      const ids = [...life.looked]
      life.looked.clear()
      return viewsOf(server.knex, ids, life)
    },
    unsent: () => openReplicas(server.knex),
    end: () => endingOf(server.knex),
    stop: server.stop,
  }
}

async function enrol({ server, clock, cores }: Life, enrolment: Enrolment): Promise<HostId> {
  const now = instant(clock.now)
  const id = server.ids.host(now)
  await insertHost(server.knex, {
    ...{ id, userId: null, name: `host ${id}`, trusted: enrolment.trusted, ownerKey: enrolment.ownerKey },
    ...{ publicKey: id, tokenHash: sha256(id), client: 'sim', engineClasses: ['wasm'] },
    ...{ cores: enrolment.cores, memoryMiB: 4096, dailyQuota: DAILY_QUOTA_START, now },
  })
  cores.set(id, enrolment.cores)
  return id
}

async function submit({ server, clock, numbers }: Life, spec: CampaignSpec): Promise<CampaignId> {
  const id = await submitCampaign(server, instant(clock.now), spec)
  numbers.set(id, spec.number)
  return id
}

/** Enters a campaign with an owner of its own, who pays. */
export async function submitCampaign(server: Server, now: Instant, spec: CampaignSpec): Promise<CampaignId> {
  const { number, experiments, seeds, quorum } = spec
  const id = server.ids.campaign(now)
  const ownerId = server.ids.user(now)
  const file = CampaignFile.parse({
    ...{ title: `Campaign ${number}`, kernel: 'tiny@0', data: 'fox@1' },
    metric: { name: 'val_bpb', goal: 'minimize' },
    budget: { fuel_per_run: FUEL, runs: experiments, credits: 1e9 },
    baseline: false,
    space: { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32, 48] } },
    ...{ sampler: { name: 'random', seed: number }, replicate: { quorum, seeds }, deadline_ms: DEADLINE_MS },
  })
  const costs = quote({
    byFlops: null,
    units: wholeRuns(experiments * seeds, FUEL),
    quorum,
    policy: 'adaptive',
  })
  const amountMilli = costs.reserveMilli
  await insertUser(server.knex, {
    id: ownerId,
    name: `researcher ${number}`,
    roles: ['researcher'],
    createdAt: now,
  })
  await inTransaction(server.knex, async trx => {
    await insertCampaign(trx, {
      ...{ id, ownerId, file, kernelSha256: server.stock.kernel.moduleSha256 },
      ...{ datasetSha256: server.stock.dataset.sha256, experimentsPlanned: experiments },
      ...{ priceMilliPerGfuel: costs.priceMilliPerGfuel, reservedMilli: amountMilli, idempotencyKey: null },
      ...{ bodySha256: sha256(id), now },
    })
    await post(trx, [starter({ userId: ownerId, amountMilli })], now)
    await post(trx, [reserve({ campaignId: id, userId: ownerId, amountMilli })], now)
    await server.wake.campaigns(trx, [id])
  })
  return id
}

/** A run as a kernel could have told of it: equal answers give equal texts. */
export function reportOf({ metric: value, print }: Answer): RunReport {
  return RunReport.parse({
    ...{ status: 'ok', metric: { name: 'val_bpb', value }, counters: { updates: 10 }, fuelUsed: FUEL },
    curve: [{ update: 10, fuel: 1, train: null, val: value }],
    trace: Array.from({ length: MARKS }, (_, mark) => sha256(`${print} ${mark}`)),
    artifactSha256: sha256(print),
  })
}

function parsed(life: Life, report: Report) {
  if (report.type === 'error') {
    const { resultId, code } = report
    return { type: 'error', sent: { resultId, outcome: 'error', code, detail: '', cpuMs: 1 } } as const
  }
  const run = reportOf(report.answer)
  const text = canonicalJson(run)
  life.answers.set(report.resultId, report.answer)
  const sent = {
    ...{ resultId: report.resultId, outcome: 'success' as const },
    ...{ report: text, digest: sha256(text), cpuMs: 1 },
  }
  return { type: 'success', signature: 'unchecked here', sent, run } as const
}

async function answer(life: Life, call: Call): Promise<SimReply> {
  const { server, calls, cores } = life
  const { hostId } = call
  const number = (calls.get(hostId) ?? 0) + 1
  calls.set(hostId, number)
  const said = {
    ...{ hostId, call: number, bodySha256: sha256(`${hostId} ${number}`), prefix: null },
    body: {
      ...{ client: 'sim', engineClasses: ['wasm' as const], cores: cores.get(hostId) ?? 1, memoryMiB: 4096 },
      ...{ reports: [], held: call.held.map(resultId => ({ resultId, fraction: 0 })), want: call.want },
      ...(call.selfTest === null ? {} : { selfTest: { passed: call.selfTest === 'passed', detail: '' } }),
    },
    reports: call.reports.map(report => parsed(life, report)),
  }
  const [reply]: Reply[] = await inTransaction(server.knex, trx => answerCalls(trx, [said], server.edge))
  if (reply === undefined || reply.type === 'refused')
    return { type: 'refused', code: reply?.code ?? 'nothing' }
  const { leases, reports, retryAfterMs, selfTest } = SchedulerReply.parse(JSON.parse(reply.text))
  // It may have cheated: what follows for its owner is found by the sweep.
  life.paused ||= call.selfTest !== null || reports.some(({ outcome }) => outcome === 'refused')
  return {
    ...{ type: 'reply', retryAfterMs, selfTestDemanded: selfTest === true },
    leases: await leasesOf(life, leases),
  }
}

async function leasesOf({ server, numbers }: Life, leases: SchedulerReply['leases']): Promise<SimLease[]> {
  const runs = await runsOf(
    server.knex,
    leases.map(({ resultId }) => resultId),
    numbers,
  )
  return leases.flatMap(({ resultId, workUnitId }) => {
    const found = runs.get(resultId)
    return found === undefined ? [] : [{ resultId, workUnitId, ...found }]
  })
}

const BATCH = 50

/** Runs the jobs of all queues until none is left, as pg-boss would hand them over. */
async function settle(life: Life): Promise<void> {
  const { deps, pending } = life.server
  for (let busy = true; busy; ) {
    const ran =
      (await look(life)) +
      (await drain(pending.standing, ids => stand(life, ids))) +
      (await drain(pending.propose, ids => runPropose(deps, ids.map(parseCampaign))))
    if (ran === 0 && life.paused) {
      await sweepHosts(deps)
      life.paused = await somePaused(deps.knex)
    }
    busy = ran > 0 || Object.values(pending).some(queue => queue.size > 0)
  }
}

const parseCampaign = (id: string): CampaignId => CampaignId.parse(id)

/** Moves what is due; gives how many units that were. */
async function look(life: Life): Promise<number> {
  for (let count = 0; ; ) {
    const units = await moveDueUnits(life.server.deps)
    if (units.length === 0) return count
    for (const id of units) life.looked.add(id)
    count += units.length
  }
}

async function stand(life: Life, ids: readonly string[]): Promise<void> {
  const hosts = ids.map(id => HostId.parse(id))
  await runStanding(life.server.deps, hosts)
  life.paused = true
  for (const id of await unitsOfHosts(life.server.knex, hosts)) life.looked.add(id)
}

async function drain(queue: Set<string>, handle: (ids: readonly string[]) => Promise<void>): Promise<number> {
  const ids = [...queue].sort()
  queue.clear()
  for (let i = 0; i < ids.length; i += BATCH) await handle(ids.slice(i, i + BATCH))
  return ids.length
}
