/**
 * `npm run bench:corpus`: how fast the corpus is listed, searched and exported with 50,000 published runs of five campaigns, over HTTP,
 * on a PostgreSQL of its own. `--json FILE` writes the rows for programs.
 */
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { TRUST } from '#domain/trust.ts'
import { createApp } from '#http/app.ts'
import { runExport } from '#jobs/export.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import { CorpusList, SimilarView } from '#protocol/corpus.ts'
import { ExportView } from '#protocol/exports.ts'
import { canonicalRecipe, KernelManifest } from '#protocol/kernel.ts'
import { instant } from '#protocol/units.ts'
import { addCampaign, addUser, sha256, testIds } from '#support/builders.ts'
import charlm from '../../assembly/charlm/manifest.json' with { type: 'json' }
import { type Figure, writeFigures } from '../figures.ts'
import { stream } from '../sim/random.ts'
import { type Server, startServer } from '../sim/sql/server.ts'
import { figureOf, round } from './spread.ts'

const CAMPAIGNS = 5
const EXPERIMENTS = 3_334 // of each; three seeds
const CURVE_POINTS = 16
const ROUNDS = 9

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'string' } } })
  const now = Date.UTC(2026, 10, 26)
  const server = await startServer({ seed: 1, clock: { now }, rules: TRUST })
  const listening = createApp(server.edge).listen(0, '127.0.0.1')
  await new Promise(resolve => listening.once('listening', resolve))
  try {
    const campaigns = await fill(server, now)
    const at = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/api/v1`
    const figures = [
      ...(await reads(at, campaigns[0] ?? '')),
      ...(await exports(server, at, campaigns[0] ?? '')),
    ]
    console.table(figures)
    await writeFigures(values.json, figures)
  } finally {
    await new Promise(resolve => listening.close(resolve))
    await server.stop()
  }
}

async function fill({ knex, stock }: Server, now: number): Promise<string[]> {
  const { selfTest: _, ...rest } = charlm
  const manifest = KernelManifest.parse({ ...rest, name: 'tiny', version: 0 })
  await knex.raw(`update kernels set manifest = ?`, [JSON.stringify(manifest)])
  const owner = await addUser(knex, 'ada')
  const draw = stream(1, 'recipes')
  const between = (low: number, high: number): number => low * (high / low) ** draw()
  const campaigns: string[] = []
  for (let c = 0; c < CAMPAIGNS; c++) {
    const { id } = await addCampaign(knex, stock, owner.id, [])
    campaigns.push(id)
    const experiments = Array.from({ length: EXPERIMENTS }, (_, ordinal) => {
      const lr = Number(between(1e-4, 1e-1).toPrecision(6))
      const reply = canonicalRecipe(manifest, { lr, weight_decay: Number(draw().toPrecision(6)) })
      if (!reply.ok) throw new Error(reply.reason)
      const { recipe } = reply
      return {
        ...{ id: testIds.experiment(instant(now)), ordinal, recipe },
        sha256: sha256(canonicalJson(recipe)),
      }
    })
    await knex.transaction(async trx => {
      for (const statement of FILL) {
        const bindings = { id, rows: JSON.stringify(experiments), points: CURVE_POINTS }
        const named = Object.entries(bindings).filter(([name]) => statement.includes(`:${name}`))
        await trx.raw(statement, Object.fromEntries(named))
      }
    })
  }
  await knex.raw('vacuum analyze')
  return campaigns
}

// A tenth of the runs, and all leaders, were seen by the verifier, as on a grid with one.
const FILL = [
  `insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, created_at)
   select x.id, :id, x.ordinal, x.recipe, x.sha256, now()
   from jsonb_to_recordset(cast(:rows as jsonb)) as x(id text, ordinal int, recipe jsonb, sha256 text)`,
  `insert into work_units (id, campaign_id, experiment_id, seed_index, seed, job, run_key, engine_class, kernel_sha256,
     min_quorum, target_results, max_error_results, max_total_results, max_success_results, deadline_ms, grace_ms, give_up_ms,
     fuel_max, created_at)
   select 'w_' || substr(md5(e.id || s), 1, 26), e.campaign_id, e.id, s, s, '{}', encode(sha256(convert_to(e.id || s, 'UTF8')), 'hex'),
     'wasm', c.kernel_sha256, 2, 2, 4, 12, 6, 60000, 60000, 3600000, 1000000000, now()
   from experiments e join campaigns c on c.id = e.campaign_id cross join generate_series(0, 2) as s where e.campaign_id = :id`,
  `insert into results (id, work_unit_id, kind, state, outcome, verdict, attempt, created_at, digest, report, fuel_used, metric, trusted)
   select 'r_' || substr(md5(w.id), 1, 26), w.id, 'replica', 'over', 'success', 'valid', 0, now(), w.run_key, '{}', 1000000000,
     3 + e.ordinal / 3334.0 + w.seed_index / 100.0, e.ordinal < 100 or e.ordinal % 10 = 0
   from work_units w join experiments e on e.id = w.experiment_id where w.campaign_id = :id`,
  `update work_units w set state = 'valid', canonical_result_id = r.id, closed_at = now(), published_at = now(), metric = r.metric
   from results r where r.work_unit_id = w.id and w.campaign_id = :id`,
  `insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256, recipe, seed,
     job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, replicas, published_at)
   select w.id, w.run_key, w.campaign_id, w.experiment_id, r.id, w.kernel_sha256, c.dataset_sha256, e.recipe, w.seed,
     '{"fuel": 1000000000}', 'ok', 'val_bpb', r.metric,
     (select jsonb_agg(jsonb_build_object('update', p, 'fuel', p / 16.0, 'train', 3.1, 'val', 3.2))
       from generate_series(1, cast(:points as int)) as p),
     '{"updates": 16, "tokens": 1024}', r.fuel_used, r.digest, 2, c.created_at + e.ordinal * interval '1 second'
   from work_units w join results r on r.work_unit_id = w.id join experiments e on e.id = w.experiment_id
   join campaigns c on c.id = w.campaign_id where w.campaign_id = :id`,
]

async function reads(at: string, campaign: string): Promise<Figure[]> {
  const recipe = encodeURIComponent(JSON.stringify({ lr: 0.0123, weight_decay: 0.1 }))
  const list = CorpusList.parse(await json(`${at}/corpus?limit=100`))
  const similar = SimilarView.parse(await json(`${at}/corpus/similar?kernel=tiny@0&recipe=${recipe}`))
  if (list.runs.length === 0 || similar.lookedAt < CAMPAIGNS * EXPERIMENTS)
    throw new Error('nothing is there')
  const asked: Readonly<Record<string, string>> = {
    newest: 'corpus?limit=100',
    'next page': `corpus?limit=100&after=${list.nextAfter}`,
    'of a campaign': `corpus?limit=100&campaign=${campaign}`,
    'by metric': 'corpus?limit=100&kernel=tiny@0&metric_max=3.1',
    failures: 'corpus?limit=100&status=diverged',
    similar: `corpus/similar?kernel=tiny@0&recipe=${recipe}`,
    leaderboard: `campaigns/${campaign}/leaderboard`,
  }
  const figures: Figure[] = []
  for (const [name, path] of Object.entries(asked)) {
    const rounds: number[] = []
    for (let i = 0; i < ROUNDS; i++) rounds.push(await milliseconds(() => json(`${at}/${path}`)))
    figures.push(figureOf(`corpus.${name.replaceAll(' ', '_')}`, rounds, 'ms'))
  }
  return figures
}

async function exports(server: Server, at: string, campaign: string): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const [name, path, body] of [
    ['campaign', `campaigns/${campaign}/exports`, undefined],
    ['month', 'corpus/exports', JSON.stringify({ period: '2026-11' })],
  ] as const) {
    let view = await ask(`${at}/${path}`, body)
    const { deps } = server
    const ms = await milliseconds(() => runExport(deps, [view.id]))
    view = ExportView.parse(await json(`${at}/exports/${view.id}`))
    figures.push(
      { name: `export.${name}`, value: round(ms / 1000), unit: 's' },
      { name: `export.${name}.rows`, value: view.rows ?? 0, unit: 'rows' },
      ...view.files.map(({ format, bytes }) => ({
        ...{ name: `export.${name}.${format}`, value: round(bytes / 2 ** 20), unit: 'MiB' },
      })),
      {
        name: `export.${name}.again`,
        value: round(await milliseconds(() => ask(`${at}/${path}`, body))),
        unit: 'ms',
      },
    )
  }
  return figures
}

const ask = async (url: string, body: string | undefined): Promise<ExportView> =>
  ExportView.parse(
    await (await fetch(url, { method: 'POST', ...(body === undefined ? {} : { body }) })).json(),
  )

async function json(url: string): Promise<unknown> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${await response.text()}`)
  return response.json()
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

await main()
