/**
 * `npm run bench:boards [-- --results N]`: the leaderboards with 100,000 hosts and accounts and 1,000,000 results, over HTTP on a
 * PostgreSQL of its own: how long counting them all takes, what a page costs, and what the end of a day does. `--json FILE`.
 */
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { TRUST } from '#domain/trust.ts'
import { createApp } from '#http/app.ts'
import { sweepContributions } from '#jobs/contributions.ts'
import { BoardList } from '#protocol/boards.ts'
import { ScienceList } from '#protocol/science.ts'
import { addMs, instant } from '#protocol/units.ts'
import { addCampaign, addToken, addUser } from '#support/builders.ts'
import { type Figure, writeFigures } from '../figures.ts'
import { type Server, startServer } from '../sim/sql/server.ts'
import { figureOf, round } from './spread.ts'

const HOSTS = 100_000
const DAYS = 7
const ROUNDS = 9
const DAY_MS = 24 * 3600_000

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'string' }, results: { type: 'string' } } })
  const results = Number(values.results ?? 1_000_000)
  const now = instant(Date.UTC(2026, 10, 26, 12))
  const server = await startServer({ seed: 1, clock: { now }, rules: TRUST })
  const listening = createApp(server.edge).listen(0, '127.0.0.1')
  await new Promise(resolve => listening.once('listening', resolve))
  try {
    const me = await fill(server, results)
    const at = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/api/v1`
    const figures = [...(await counting(server, now, results)), ...(await reads(at, me))]
    const tomorrow = addMs(now, DAY_MS)
    const ms = await milliseconds(() => sweepContributions({ knex: server.knex, now: () => tomorrow }))
    figures.push({ name: 'boards.end_of_day', value: round(ms / 1000), unit: 's' })
    console.table(figures)
    await writeFigures(values.json, figures)
  } finally {
    await new Promise(resolve => listening.close(resolve))
    await server.stop()
  }
}

/** Gives the token of an account in the middle. */
async function fill({ knex, stock }: Server, results: number): Promise<string> {
  const owner = await addUser(knex, 'owner')
  const { id: campaign } = await addCampaign(knex, stock, owner.id, [])
  await knex.transaction(async trx => {
    // What refers to what is right by construction; checking a million rows would take most of the time.
    await trx.raw(`set local session_replication_role = replica`)
    await trx.raw(`set local statement_timeout = 0`)
    for (const statement of FILL) {
      const named = Object.entries({ campaign, results, hosts: HOSTS, days: DAYS }).filter(([name]) =>
        statement.includes(`:${name}`),
      )
      await trx.raw(statement, Object.fromEntries(named))
    }
  })
  await knex.raw('vacuum analyze')
  return addToken(knex, 'u_00000000000000000000050000' as never, { scopes: ['campaign'] })
}

const ID = `lpad(cast(i as text), 26, '0')`

// A host gave the more the smaller its number; a tenth of all are tabs, each host has its own account.
const FILL = [
  `insert into users (id, name, roles, created_at)
   select 'u_' || ${ID}, 'volunteer ' || i, '{volunteer}', now() from generate_series(1, :hosts) as i`,
  `insert into hosts (id, user_id, name, owner_key, public_key, token_hash, client, engine_classes, cores, memory_mib, daily_quota,
     quota_day, created_at, last_seen_at)
   select 'h_' || ${ID}, 'u_' || ${ID}, 'host', 'user:u_' || ${ID}, i, i, case when i % 10 = 0 then 'web Firefox' else 'xeenet/1' end,
     '{wasm}', 4, 4096, 100, current_date, now(), now() from generate_series(1, :hosts) as i`,
  `insert into results (id, work_unit_id, kind, state, outcome, verdict, attempt, created_at, digest, report, fuel_used, metric, host_id,
     sent_at, granted_milli, granted_decision, vested)
   select 'r_' || ${ID}, 'w_' || ${ID}, 'replica', 'over', 'success', 'valid', 0, now(), md5(cast(i as text)), '{}', 1000000000, 3,
     'h_' || lpad(cast(1 + floor(:hosts * power(random(), 2)) as text), 26, '0'), now(), 10, 0, true
   from generate_series(1, :results) as i`,
  `insert into transfers (key, kind, debit, credit, amount_milli, grants, created_at)
   select 'vest:' || id || ':0', 'vest', 'held:user:u_' || substr(host_id, 3), 'user:u_' || substr(host_id, 3), 10, array[id || ':0'],
     timestamptz '2026-11-26 12:00Z' - random() * :days * interval '1 day' from results`,
  `insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, created_at)
   select 'e_' || ${ID}, :campaign, i, jsonb_build_object('lr', i / 1e6, 'width', 16), md5(cast(i as text)), now()
   from generate_series(1, cast(:results as int) / 3) as i`,
  `insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256, recipe, seed,
     job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, replicas, published_at)
   select 'w_' || ${ID}, md5(cast(i as text)), c.id, 'e_' || lpad(cast(1 + (i - 1) / 3 as text), 26, '0'), 'r_' || ${ID}, c.kernel_sha256,
     c.dataset_sha256, '{}', i % 3, '{"fuel": 1000000000}', 'ok', 'val_bpb', 2 + random() * 0.1 + (i / 3) * 1e-6, '[]', '{}', 1000000000,
     md5(cast(i as text)), 2, now()
   from campaigns c cross join generate_series(1, cast(:results as int) / 3 * 3) as i where c.id = :campaign`,
]

async function counting(
  { knex }: Server,
  now: ReturnType<typeof instant>,
  results: number,
): Promise<Figure[]> {
  let counted = 0
  const ms = await milliseconds(async () => {
    for (let seen = 1; seen > 0; counted += seen) seen = await sweepContributions({ knex, now: () => now })
  })
  if (counted < results) throw new Error(`counted ${counted} of ${results}`)
  await knex.raw('vacuum analyze contributors, contribution_days')
  const idle: number[] = []
  for (let i = 0; i < ROUNDS; i++)
    idle.push(await milliseconds(() => sweepContributions({ knex, now: () => now })))
  return [
    { name: 'boards.counting', value: round((1000 * counted) / ms), unit: 'rows/s' },
    figureOf('boards.nothing_new', idle, 'ms'),
  ]
}

async function reads(at: string, token: string): Promise<Figure[]> {
  const first = BoardList.parse(await json(`${at}/contributors?limit=100`))
  let after = first.nextAfter
  for (let page = 0; page < 10; page++)
    after = BoardList.parse(await json(`${at}/contributors?limit=1000&after=${after}`)).nextAfter
  const { me } = BoardList.parse(await json(`${at}/contributors?limit=1`, token))
  const science = ScienceList.parse(await json(`${at}/science`))
  if (me === null || after === null || science.boards[0]?.rows.length !== 10)
    throw new Error(`nothing is there: ${me?.place}, ${after}, ${science.boards[0]?.rows.length}`)
  const asked: Readonly<Record<string, readonly [string, string?]>> = {
    contribution: ['contributors?limit=100'],
    'week of tabs': ['contributors?limit=100&span=week&via=tab'],
    recent: ['contributors?limit=100&board=recent'],
    'place 10,000': [`contributors?limit=100&after=${after}`],
    'my place': ['contributors?limit=100', token],
  }
  const figures: Figure[] = []
  for (const [name, [path, by]] of Object.entries(asked)) {
    const rounds: number[] = []
    for (let i = 0; i < ROUNDS; i++) rounds.push(await milliseconds(() => json(`${at}/${path}`, by)))
    figures.push(figureOf(`boards.${name.replaceAll(/[ ,]+/g, '_')}`, rounds, 'ms'))
  }
  const rounds: number[] = []
  // As many rows as nobody asked for: what is kept answers nothing.
  for (let i = 0; i < ROUNDS; i++) rounds.push(await milliseconds(() => json(`${at}/science?rows=${11 + i}`)))
  return [...figures, figureOf('boards.science', rounds, 'ms')]
}

async function json(url: string, token?: string): Promise<unknown> {
  const response = await fetch(
    url,
    token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
  )
  if (!response.ok) throw new Error(`${url}: ${await response.text()}`)
  return response.json()
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

await main()
