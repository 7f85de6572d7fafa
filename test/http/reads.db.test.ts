import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  CampaignList,
  CampaignView,
  Leaderboard,
  MeView,
  ResultView,
  ServerView,
} from '#protocol/campaign.ts'
import { CorpusRow } from '#protocol/corpus.ts'
import { runKeyOf } from '#protocol/job.ts'
import { DatasetList, KernelList, WorkUnitList } from '#protocol/lists.ts'
import { OPERATIONS } from '#protocol/openapi.ts'
import { PROBLEMS } from '#protocol/problem.ts'
import { SearchView } from '#protocol/search.ts'
import { type CampaignId, type UserId, WorkUnitId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { appendReports } from '#store/search.ts'
import { addCampaign, addUser, type MadeUnit, sha256 } from '#support/builders.ts'
import { computeUnits, endEmbargo, verify as seen } from '#support/publishing.ts'
import { enrolHost, startServer, type TestHost, type TestServer } from '#support/server.ts'

let server: TestServer
let owner: { id: UserId; token: string }
let host: TestHost

beforeAll(async () => {
  server = await startServer()
  owner = await addUser(server.database.knex, 'ada')
  host = await enrolHost(server)
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.database.knex.raw(
    `update results set state = 'over', outcome = 'not_needed' where state = 'unsent'`,
  )
})

const get = (path: string, token?: string) => server.call('GET', path, { token })

/** Reports a value for each unit, as `host`. */
const compute = (units: readonly MadeUnit[], values: readonly number[]) => computeUnits(host, units, values)

const publish = (campaignId: CampaignId) => endEmbargo(server.database.knex, campaignId)

const verify = (units: readonly MadeUnit[]) => seen(server.database.knex, units)

const campaign = (units: number) =>
  addCampaign(
    server.database.knex,
    server,
    owner.id,
    Array.from({ length: units }, (_, i) => ({
      quorum: 1,
      createdAt: (server.now() + i) as never,
      priority: 100 - i,
    })),
  )

describe('under embargo', () => {
  test('nobody sees a metric, digest, curve, host or artifact before publication, and everybody after', async () => {
    const { id, units } = await campaign(1)
    await compute(units, [3.125])
    const [unit] = units
    const { workUnits } = WorkUnitList.parse((await get(`/api/v1/campaigns/${id}/work-units`)).json)
    const experimentId = workUnits[0]!.experimentId
    const names = [unit!.resultIds[0]!, unit!.id, experimentId]
    for (const name of names) {
      const reply = await get(`/api/v1/results/${name}`)
      expect([reply.status, reply.code]).toEqual([409, 'embargoed'])
    }
    const digest = sha256(
      (await server.database.knex.raw('select report from results where id = ?', [names[0]!])).rows[0].report,
    )
    for (const path of ['', '/work-units', '/leaderboard', '/export']) {
      const { text } = await get(`/api/v1/campaigns/${id}${path}`, owner.token)
      expect(text).not.toMatch(new RegExp(`3\\.125|${digest}|${host.id}|trace|artifact[^S]`))
    }
    await publish(id)
    for (const name of names) {
      const view = ResultView.parse((await get(`/api/v1/results/${name}`)).json)
      expect(view).toMatchObject({
        ...{ resultId: names[0], workUnitId: names[1], experimentId, campaignId: id, digest },
        ...{ status: 'ok', metric: { name: 'val_bpb', value: 3.125 } },
      })
      const { plan } = view
      const again = await runKeyOf(
        plan.kernel.moduleSha256,
        plan.data.map(file => file.sha256),
        JSON.parse(plan.job),
      )
      expect(plan.runKey).toBe(again)
    }
    const after = WorkUnitList.parse((await get(`/api/v1/campaigns/${id}/work-units`)).json)
    expect(after.workUnits[0]!.results[0]).toMatchObject({ hostId: host.id, verdict: 'valid' })
  })

  test('a unit that failed is published without an answer', async () => {
    const { units } = await campaign(1)
    await server.database.knex.raw(
      `update work_units set state = 'failed', failure = 'too_many_errors', closed_at = now(), published_at = now() where id = ?`,
      [units[0]!.id],
    )
    expect((await get(`/api/v1/results/${units[0]!.id}`)).code).toBe('not_found')
    expect((await get(`/api/v1/results/${units[0]!.resultIds[0]}`)).code).toBe('not_found')
    expect((await get('/api/v1/results/r_nobody')).code).toBe('not_found')
  })
})

describe('a published campaign', () => {
  test('ranks experiments best first, those that diverged last, with the baselines of its data', async () => {
    const { id, units } = await campaign(3)
    await compute(units, [3.5, 3.25, Number.NaN])
    await publish(id)
    await verify(units)
    await server.database.knex.raw('update datasets set compressor_bits = 2.5')
    const board = Leaderboard.parse((await get(`/api/v1/campaigns/${id}/leaderboard`)).json)
    expect(board.rows.map(({ mean, n, diverged, ci95 }) => ({ mean, n, diverged, ci95 }))).toEqual([
      { mean: 3.25, n: 1, diverged: 0, ci95: null },
      { mean: 3.5, n: 1, diverged: 0, ci95: null },
      { mean: null, n: 0, diverged: 1, ci95: null },
    ])
    expect(board.rows[0]!.resultId).toBe(units[1]!.resultIds[0])
    const limited = (limit: number | string) => get(`/api/v1/campaigns/${id}/leaderboard?limit=${limit}`)
    expect(Leaderboard.parse((await limited(2)).json).rows).toEqual(board.rows.slice(0, 2))
    expect(Leaderboard.parse((await limited(10_000)).json).rows).toEqual(board.rows)
    for (const wrong of [10_001, 0, -1, 1.5, 'all']) expect((await limited(wrong)).code).toBe('bad_request')
    const known = board.baselines.map(({ name, value }) => `${name} ${value}`)
    expect([known[0], known[3]?.slice(0, 6), known.at(-1)]).toEqual(['unigram 4.1', 'order3', 'zstd 2.5'])
    const view = CampaignView.parse((await get(`/api/v1/campaigns/${id}`)).json)
    expect(view).toMatchObject({ best: { mean: 3.25, n: 1 }, workUnits: { valid: 3 }, results: { valid: 3 } })
  })

  test('leaves out what would lead until the verifier has seen it', async () => {
    const { id, units } = await campaign(3)
    await compute(units, [3.5, 3.25, 3.75])
    await publish(id)
    await verify([units[0]!])
    const board = Leaderboard.parse((await get(`/api/v1/campaigns/${id}/leaderboard`)).json)
    expect(board).toMatchObject({ rows: [{ mean: 3.5 }], waiting: 2 })
    const exported = (await get(`/api/v1/campaigns/${id}/export`)).text.trim().split('\n')
    expect(exported.map(line => CorpusRow.parse(JSON.parse(line)).metricValue)).toEqual([3.5])
    const view = CampaignView.parse((await get(`/api/v1/campaigns/${id}`)).json)
    expect(view).toMatchObject({ best: { mean: 3.5, n: 1 } })
  })

  test('tells nobody of what would lead by way of its sampler', async () => {
    const { id, units } = await campaign(3)
    await compute(units, [3.5, 3.25, 3.75])
    await publish(id)
    await verify([units[0]!])
    const { knex } = server.database
    const sampler = JSON.stringify({ name: 'tpe' })
    await knex.raw(`update campaigns set file = jsonb_set(file, '{sampler}', ?::jsonb) where id = ?`, [
      sampler,
      id,
    ])
    const reports = [3.5, 3.25, 3.75].map((value, ordinal) => ({
      ordinal,
      outcome: { state: 'finished' as const, value },
    }))
    await inTransaction(knex, trx => appendReports(trx, id, { from: 0, reports, now: server.now() }))
    const view = SearchView.parse((await get(`/api/v1/campaigns/${id}/search`)).json)
    expect(view.best.map(({ ordinal, value }) => [ordinal, value])).toEqual([[0, 3.5]])
    expect(view.experiments).toMatchObject({ finished: 1, pending: 2 })
  })

  test('is exported as NDJSON and as CSV, every run a line, failures included', async () => {
    const { id, units } = await campaign(2)
    await compute(units, [3.5, Number.NaN])
    await publish(id)
    await verify(units)
    const ndjson = await get(`/api/v1/campaigns/${id}/export`)
    expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson')
    const rows = ndjson.text
      .trim()
      .split('\n')
      .map(line => CorpusRow.parse(JSON.parse(line)))
    expect(rows.map(row => [row.status, row.metricValue, row.kernel, row.data])).toEqual([
      ['ok', 3.5, 'tiny@0', 'fox@1'],
      ['diverged', null, 'tiny@0', 'fox@1'],
    ])
    const csv = (await get(`/api/v1/campaigns/${id}/export?format=csv`)).text.trim().split('\n')
    expect(csv).toHaveLength(3)
    expect(csv[0]).toMatch(/^workUnitId,campaignId,/)
    expect(csv[1]).toContain('"{""lr"":0.0001,""width"":16}"')
    expect((await get(`/api/v1/campaigns/${id}/export?format=parquet`)).code).toBe('bad_request')
  })

  test('is listed newest first, and its work units in pages', async () => {
    const { id, units } = await campaign(5)
    const list = CampaignList.parse((await get('/api/v1/campaigns?limit=1')).json)
    expect(list.campaigns[0]!.id).toBe(id)
    const next = CampaignList.parse((await get(`/api/v1/campaigns?limit=1&after=${list.nextAfter}`)).json)
    expect(next.campaigns[0]!.id < id).toBe(true)
    const seen: string[] = []
    for (let after = ''; ; ) {
      const page = await get(
        `/api/v1/campaigns/${id}/work-units?limit=2${after === '' ? '' : `&after=${after}`}`,
      )
      const { workUnits, nextAfter } = WorkUnitList.parse(page.json)
      seen.push(...workUnits.map(unit => unit.id))
      if (nextAfter === null) break
      after = WorkUnitId.parse(nextAfter)
    }
    expect(seen).toEqual(units.map(unit => unit.id).sort())
    for (const query of ['limit=0', 'limit=1001', 'after=x', 'sort=desc'])
      expect((await get(`/api/v1/campaigns?${query}`)).code).toBe('bad_request')
  })
})

describe('what anyone may read', () => {
  test('the server, its kernels and its data', async () => {
    const view = ServerView.parse((await get('/api/v1/server')).json)
    expect(view.kernels).toMatchObject([{ name: 'tiny', version: 0 }])
    expect(KernelList.parse((await get('/api/v1/kernels')).json).kernels[0]!.manifest.name).toBe('tiny')
    expect(DatasetList.parse((await get('/api/v1/datasets')).json).datasets).toEqual([server.dataset])
    expect((await get('/api/v1/datasets/fox@1')).json).toEqual(server.dataset)
    expect((await get('/api/v1/datasets/fox@2')).code).toBe('not_found')
    expect((await get('/api/v1/datasets/fox')).code).toBe('not_found')
    expect((await get('/healthz')).json).toEqual({ ok: true })
    expect((await get('/readyz')).json).toEqual({ ok: true })
  })

  test('who a token belongs to, for its bearer alone', async () => {
    const { token } = owner
    expect((await get('/api/v1/me')).code).toBe('token_missing')
    const enrolled = await enrolHost(server, { token })
    const view = MeView.parse((await get('/api/v1/me', token)).json)
    expect(view).toMatchObject({
      userId: owner.id,
      name: 'ada',
      hosts: [{ id: enrolled.id, state: 'active' }],
    })
  })

  test('an address that is not there, and a method that it does not take', async () => {
    const lost = await get('/api/v2/server')
    expect([lost.status, lost.code]).toEqual([404, 'not_found'])
    const wrong = await server.call('DELETE', '/api/v1/campaigns')
    expect([wrong.status, wrong.code, wrong.headers.get('allow')]).toEqual([
      405,
      'method_not_allowed',
      'GET, HEAD, POST',
    ])
    expect((await get('/api/v1/campaigns/%E0%A4%A')).code).toBe('bad_request')
  })

  test('the OpenAPI document names every route, and every route is there', async () => {
    const { json } = await get('/api/v1/openapi.json')
    const document = json as {
      paths: Record<string, Record<string, object>>
      components: { schemas: object }
    }
    expect(Object.keys(document.paths)).toEqual([...new Set(OPERATIONS.map(operation => operation.path))])
    for (const { method, path, reply } of OPERATIONS) {
      const unknown = await server.call(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'))
      expect([path, unknown.code === 'method_not_allowed']).toEqual([path, false])
      expect(unknown.json).not.toMatchObject({
        detail: `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, 'x')}`,
      })
      if (reply !== 'bytes' && reply !== 'text') expect(document.components.schemas).toHaveProperty(reply)
    }
    expect(Object.keys((json as { 'x-problem-codes': object })['x-problem-codes'])).toEqual(
      Object.keys(PROBLEMS),
    )
  })
})

test('while the database is away every call is told to come back, and afterwards all goes on', async () => {
  const away = await startServer()
  const lonely = await enrolHost(away)
  await lonely.ask()
  const { knex } = away.database
  const [{ name }] = (await knex.raw('select current_database() as name')).rows
  const admin = server.database.knex
  await admin.raw(`alter database ${name} with allow_connections false`)
  await admin.raw('select pg_terminate_backend(pid) from pg_stat_activity where datname = ?', [name])
  for (const reply of [
    await lonely.call({}, { call: 2 }),
    await away.call('GET', '/readyz'),
    await away.call('GET', '/api/v1/server'),
  ]) {
    expect([reply.status, reply.code]).toEqual([503, 'unavailable'])
    expect(reply.json).toMatchObject({ retryable: true, retryAfterMs: expect.any(Number) })
  }
  expect((await away.call('GET', '/healthz')).status).toBe(200)
  await admin.raw(`alter database ${name} with allow_connections true`)
  expect((await lonely.call({}, { call: 2 })).status).toBe(200)
  await away.close()
})
