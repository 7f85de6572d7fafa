// Real weights over the wire: three volunteers compute one run, the operator asks for their weights, and a verifier looks.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { drawWeights } from '#domain/evidence.ts'
import { drawn } from '#domain/trust.ts'
import { excludeLiars, planEvaluations } from '#jobs/evaluate.ts'
import { inspectLedger } from '#jobs/inspect.ts'
import { type Grid, hostIdOf, startGrid } from '#ops/grid.ts'
import { type Program, xeenet } from '#ops/process.ts'
import { CampaignView, LedgerSummary } from '#protocol/campaign.ts'
import type { ResultId } from '#protocol/units.ts'
import { systemClock } from '#server/clock.ts'
import { secureIds } from '#server/ids.ts'
import { RunningServer } from '#server/running.ts'
import { openDatabase } from '#store/database.ts'

const CAMPAIGN = `
title: One run
kernel: charlm@1
data: sotu-small@1
metric: { name: val_bpb, goal: minimize }
budget: { fuel_per_run: 1200000000, runs: 1, credits: 100 }
baseline: false
recipe: { context: 16, batch: 4, heads: 2, warmup: 10, width: 16, depth: 1 }
space:
  lr: { choice: [0.003] }
sampler: { name: grid, seed: 7 }
replicate: { quorum: 3, seeds: 1, policy: fixed }
`
const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
const HIDDEN = 'Mr. Speaker, nobody outside this room has read these words of the union. '.repeat(60)
const patient = { timeout: 120_000, interval: 200 }

let dir: string
let grid: Grid
let knex: Knex
let verifier: Program | undefined
const hosts = new Map<string, string>() // ids by owner

const rowsOf = async (sql: string) => (await knex.raw(sql)).rows
const jobs = (secret: string) => ({ knex, now: systemClock, ids: secureIds, secret, enqueue: async () => {} })
/** Under which none of these is drawn as a decoy. */
const secretFor = (ids: readonly ResultId[], n = 0): string =>
  ids.some(id => drawWeights(drawn(`secret ${n}`, 'weights', id)) === 'decoy')
    ? secretFor(ids, n + 1)
    : `secret ${n}`
const admin = <Reply>(words: readonly string[], schema: z.ZodType<Reply>) =>
  xeenet(['admin', ...words, '--data-dir', grid.dataDir], schema, env)

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'xeenet-evidence-'))
  grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
  const { connectionString } = RunningServer.parse(
    JSON.parse(await readFile(join(grid.dataDir, 'server.json'), 'utf8')),
  )
  knex = openDatabase({ connectionString, poolMax: 2, warn: () => undefined })
  await writeFile(join(dir, 'hidden.txt'), HIDDEN)
  await admin(
    ['dataset', 'hidden', 'sotu-small@1', join(dir, 'hidden.txt')],
    z.looseObject({ hidden: z.literal(true) }),
  )
  await grid.addUser('rosa', 'researcher', 1_000_000)
  const file = join(dir, 'campaign.yaml')
  await writeFile(file, CAMPAIGN)
  const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
  const owners = {
    ann: {},
    eve: { program: [join(import.meta.dirname, '../../ops/demo/liar.ts')] },
    max: { program: [join(import.meta.dirname, 'overspender.ts')] },
  } as const
  for (const owner of Object.keys(owners)) await grid.addUser(owner, 'volunteer')
  await Promise.all([
    xeenet(['campaign', 'submit', file, ...mine], CampaignView),
    ...Object.entries(owners).map(async ([owner, options]) => {
      hosts.set(owner, hostIdOf(await grid.volunteer(owner, options)))
    }),
  ])
})
afterAll(async () => {
  await knex.destroy()
  await grid.stop()
  await rm(dir, { recursive: true, force: true })
})

/** What `sql` says as `said` of each `host`, by owner. */
async function byOwner(sql: string): Promise<Record<string, string>> {
  const rows = z.array(z.object({ host: z.string(), said: z.string() })).parse(await rowsOf(sql))
  return Object.fromEntries(
    [...hosts].map(([owner, id]) => [owner, rows.find(({ host }) => host === id)?.said ?? 'none']),
  )
}
const outcomes = () =>
  byOwner(`
    select r.host_id as host, string_agg(coalesce(e.outcome, 'open'), ' ' order by e.hidden_sha256 nulls first) as said
    from evaluations e join results r on r.id = e.result_id group by r.host_id`)
const verdicts = () =>
  byOwner(`select host_id as host, verdict as said from results where not trusted and host_id is not null`)

test('true weights pass, weights that do not give the metric exclude, and ten times the budget passes until the run is computed again', async () => {
  const reported = () => rowsOf(`select id from results where outcome = 'success' order by id`)
  await expect.poll(async () => (await reported()).length, patient).toBe(3)
  const ids = (await reported()).map(({ id }: { id: ResultId }) => id)
  await admin(['artifact', 'ask', ...ids], z.looseObject({ asked: z.literal(3) }))
  const arrived = `select count(*)::int as n from file_requests where received_at is not null`
  await expect.poll(async () => (await rowsOf(arrived))[0].n, patient).toBe(3)

  await planEvaluations(jobs(secretFor(ids))) // or the server's own daemon was first
  verifier = grid.verifier(['--name', 'checker'])
  await expect
    .poll(outcomes, patient)
    .toEqual({ ann: 'equal scored', eve: 'different scored', max: 'equal scored' })
  await excludeLiars(jobs(''))
  await expect.poll(verdicts, patient).toEqual({ ann: 'valid', eve: 'invalid', max: 'invalid' })
  expect(await rowsOf(`select state from hosts where id = '${hosts.get('eve')}'`)).toEqual([
    { state: 'quarantined' },
  ])
  expect(await rowsOf(`select state from hosts where id = '${hosts.get('max')}'`)).toEqual([
    { state: 'active' },
  ])
})

test('the verifier, the operator’s report and the public log say nothing of what was reached on the hidden text', async () => {
  const scores = await rowsOf(`select metric from evaluations where outcome = 'scored'`)
  expect(scores).toHaveLength(3)
  const [{ sha256 }] = await rowsOf(`select sha256 from hidden_texts`)
  const report = JSON.stringify(await admin(['fraud', '--all'], z.looseObject({})))
  const said = [
    JSON.stringify(verifier?.events),
    verifier?.lastWords(),
    grid.server.lastWords(),
    report,
  ].join('\n')
  expect(said).toContain('result.done')
  for (const { metric } of scores) expect(said).not.toContain(String(metric).slice(0, 7))
  expect(report).not.toContain(sha256)
  expect((await fetch(new URL(`/api/v1/files/${sha256}`, grid.url))).status).toBe(404)
})

test('the fraud report names who differed from the verifier, and who was excluded, with reasons', async () => {
  const Report = z.object({
    days: z.int(),
    hosts: z.array(z.looseObject({ hostId: z.string(), state: z.string(), reasons: z.array(z.string()) })),
  })
  const { hosts: suspects } = await admin(['fraud'], Report)
  const of = (owner: string) => suspects.find(({ hostId }) => hostId === hosts.get(owner))
  expect(of('eve')).toMatchObject({ state: 'quarantined' })
  expect(of('eve')?.reasons.join()).toContain('1 hosts of its owner were excluded')
  expect(of('max')?.reasons.join()).toContain('1 of the last 1 comparisons with the verifier differ')
  expect(of('ann')).toBeUndefined()
})

test('a balance that does not add up is an alert until an operator resolves it', async () => {
  const Alerts = z.object({
    alerts: z.array(z.looseObject({ id: z.int(), kind: z.string(), subject: z.string() })),
  })
  const open = async () => (await admin(['alerts'], Alerts)).alerts
  const shown = async () => (await grid.get('/api/v1/ledger/summary', LedgerSummary)).alerts
  expect([await open(), await shown()]).toEqual([[], 0])
  const shift = (by: number) =>
    knex.raw(
      `update accounts set balance_milli = balance_milli + ? where name like 'user:%' and balance_milli > 10`,
      [by],
    )
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  await shift(1)
  await inspectLedger({ knex, now: systemClock, log })
  await shift(-1)
  const alerts = await open()
  expect(alerts.map(({ kind }) => kind)).toContain('ledger')
  expect(await shown()).toBe(alerts.length)
  for (const { id } of alerts) await admin(['alerts', '--resolve', String(id)], z.looseObject({}))
  expect([await open(), await shown()]).toEqual([[], 0])
})
