// What a campaign with ten thousand finished experiments costs on a real database, beside what its sampler takes: telling its
// history and asking, and the pages that count over all of it.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Knex } from 'knex'
import { TRUST } from '#domain/trust.ts'
import { tellHistory } from '#jobs/search.ts'
import { CampaignFile } from '#protocol/campaign.ts'
import { CampaignId, instant } from '#protocol/units.ts'
import { openLog } from '#server/log.ts'
import { startPostgres } from '#server/postgres/start.ts'
import { insertCampaign } from '#store/campaigns.ts'
import { inTransaction, openDatabase } from '#store/database.ts'
import { type Histories, openHistories } from '#store/histories.ts'
import { migrate } from '#store/migrate.ts'
import { countCampaign, readLeaders } from '#store/views.ts'
import { withheldOf } from '#store/withheld.ts'
import { addUser, sha256, stock } from '#support/builders.ts'
import type { Figure } from '../../figures.ts'
import { digits, median } from './compare.ts'

const EXPERIMENTS = 10_000
const ROUNDS = 7
const ASK_MS_MAX = 50
const ID = CampaignId.parse(`c_${'0'.repeat(26)}`)

/** Milliseconds of wall time, median of seven rounds. */
export async function scaleFigures(): Promise<Figure[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'xeenet-bench-scale-'))
  const postgres = await startPostgres({ dataDir, log: openLog('warn') })
  const knex = openDatabase({ connectionString: postgres.connectionString })
  try {
    await migrate(knex)
    await fill(knex, dataDir)
    return await measure(knex)
  } finally {
    await knex.destroy()
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function measure(knex: Knex): Promise<Figure[]> {
  const row = (name: string, ms: number, reference?: number): Figure => ({
    ...{ name: `scale.${name}.${EXPERIMENTS}`, value: digits(ms), unit: 'ms' },
    ...(reference === undefined ? {} : { reference }),
  })
  const board = { campaignId: ID, goal: 'minimize' } as const
  const histories = openHistories()
  const first = await timed(() => tell(knex, histories))
  const later: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await finishOneMore(knex, round)
    later.push(await timed(() => tell(knex, histories)))
  }
  return [
    row('tell-after-start', first),
    row('tell', median(later), ASK_MS_MAX),
    row('leaderboard', await often(() => readLeaders(knex, { ...board, limit: 100 }))),
    row(
      'withheld',
      await often(() => withheldOf(knex, { id: ID, file: { metric: { goal: board.goal } } }, TRUST)),
    ),
    row('counts', await often(() => countCampaign(knex, ID))),
  ]
}

const tell = (knex: Knex, histories: Histories) =>
  inTransaction(knex, trx =>
    tellHistory(trx, histories, { id: ID, pruner: 'asha', takesTurns: false, now: instant(Date.now()) }),
  )

async function timed(work: () => Promise<unknown>): Promise<number> {
  const before = performance.now()
  await work()
  return performance.now() - before
}

async function often(work: () => Promise<unknown>): Promise<number> {
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await timed(work))
  return median(rounds)
}

/** A campaign whose experiments have all come to their end, with a result each, half an hour ago. */
async function fill(knex: Knex, directory: string): Promise<void> {
  const { kernel, dataset } = await stock(knex, join(directory, 'files'))
  const { id: ownerId } = await addUser(knex, 'researcher')
  const runs = EXPERIMENTS + ROUNDS
  const file = CampaignFile.parse({
    ...{ title: 'Ten thousand', kernel: 'tiny@0', data: 'fox@1' },
    metric: { name: 'val_bpb', goal: 'minimize' },
    ...{ budget: { fuel_per_run: 1e9, runs, credits: 1e9 }, space: { lr: { log: [0.001, 0.1] } } },
  })
  const hashes = { kernelSha256: kernel.moduleSha256, datasetSha256: dataset.sha256 }
  const money = { priceMilliPerGfuel: 10, reservedMilli: 0, idempotencyKey: null }
  await insertCampaign(knex, {
    ...{ id: ID, ownerId, file, ...hashes, ...money, experimentsPlanned: runs },
    ...{ bodySha256: sha256('bench'), now: instant(Date.now()) },
  })
  await addFinished(knex, { from: 0, to: EXPERIMENTS - 1, age: '30 minutes' })
  await knex.raw(REPORTS, { id: ID })
  await knex.raw('analyze')
}

const finishOneMore = (knex: Knex, round: number): Promise<void> =>
  addFinished(knex, { from: EXPERIMENTS + round, to: EXPERIMENTS + round, age: '0 minutes' })

const addFinished = (
  knex: Knex,
  range: { readonly from: number; readonly to: number; readonly age: string },
): Promise<void> =>
  inTransaction(knex, async trx => {
    for (const sql of FINISHED) await trx.raw(sql, { id: ID, ...range })
  })

const NUMBERS = `generate_series(cast(:from as int), cast(:to as int)) as n`
const LOSS = `3 + (hashint4(n) & 65535) / 65536.0`

const FINISHED = [
  `insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, asked, created_at)
   select 'e_' || lpad(n::text, 26, '0'), :id, n, jsonb_build_object('lr', 0.001 + n / 1000000.0, 'width', 32),
     encode(sha256(n::text::bytea), 'hex'), greatest(0, n - 8), now() - cast(:age as interval) from ${NUMBERS}`,
  `insert into work_units (id, campaign_id, experiment_id, seed_index, rung, seed, job, run_key, engine_class, kernel_sha256,
     state, canonical_result_id, min_quorum, target_results, max_error_results, max_total_results, max_success_results,
     deadline_ms, grace_ms, give_up_ms, fuel_max, metric, created_at, closed_at, published_at)
   select 'w_' || lpad(n::text, 26, '0'), :id, 'e_' || lpad(n::text, 26, '0'), 0, 3, 1, '{}', n::text, 'wasm', c.kernel_sha256,
     'valid', 'r_' || lpad(n::text, 26, '0'), 1, 1, 6, 13, 5, 1000, 1000, 1000, 1000000000, ${LOSS},
     now() - cast(:age as interval), now() - cast(:age as interval), now() - cast(:age as interval)
   from ${NUMBERS} join campaigns c on c.id = :id`,
  `insert into results (id, work_unit_id, kind, state, outcome, verdict, attempt, created_at, reported_at,
     digest, report, fuel_used)
   select 'r_' || lpad(n::text, 26, '0'), 'w_' || lpad(n::text, 26, '0'), 'replica', 'over', 'success', 'valid',
     0, now(), now(), n::text, '{}', 1000000000 from ${NUMBERS}`,
  `insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256, recipe,
     seed, job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, replicas, published_at)
   select w.id, w.run_key, w.campaign_id, w.experiment_id, w.canonical_result_id, w.kernel_sha256, c.dataset_sha256,
     e.recipe, 1, '{"fuel": 1000000000}', 'ok', 'val_bpb', w.metric, '[]', '{}', 1000000000, e.recipe_sha256, 1, w.published_at
   from work_units w join campaigns c on c.id = w.campaign_id join experiments e on e.id = w.experiment_id
   where w.campaign_id = :id and e.ordinal between cast(:from as int) and cast(:to as int)`,
] as const

const REPORTS = `
  insert into search_reports (campaign_id, position, ordinal, outcome, at)
  select campaign_id, ordinal, ordinal, jsonb_build_object('state', 'finished', 'value', metric), now() - interval '20 minutes'
  from experiments e join lateral (select metric from work_units where experiment_id = e.id) as w on true
  where campaign_id = :id`
