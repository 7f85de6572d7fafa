import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { TRUST } from '#domain/trust.ts'
import { runExport, sweepExports } from '#jobs/export.ts'
import { CorpusRow } from '#protocol/corpus.ts'
import { ExportList, ExportManifest, ExportView } from '#protocol/exports.ts'
import { addMs, type CampaignId, type UserId } from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import { addCampaign, addUser, type MadeUnit, sha256 } from '#support/builders.ts'
import { STAND_ALONE } from '#support/published.ts'
import { computeUnits, endEmbargo, verify } from '#support/publishing.ts'
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
beforeEach(() => server.advance(24 * 3600_000)) // every test begins on a day of its own

const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const depsOf = (blobs: Blobs = server.blobs) => ({
  ...{ knex: server.database.knex, blobs, now: server.now, log, trust: TRUST },
})

/** Runs that were published just now, all seen by the verifier but the last `unseen`. */
async function published(
  values: readonly number[],
  unseen = 0,
): Promise<{ id: CampaignId; units: MadeUnit[] }> {
  const made = await addCampaign(
    server.database.knex,
    server,
    owner.id,
    values.map((_, i) => ({ quorum: 1, priority: 100 - i })),
  )
  await computeUnits(host, made.units, values)
  await endEmbargo(server.database.knex, made.id)
  await server.database.knex.raw(`update corpus set published_at = ? where campaign_id = ?`, [
    new Date(server.now()),
    made.id,
  ])
  await verify(server.database.knex, made.units.slice(0, made.units.length - unseen))
  return made
}

async function ask(path: string, body?: object): Promise<ExportView> {
  const { status, text, json } = await server.call('POST', path, { body })
  if (status !== 200) throw new Error(text)
  return ExportView.parse(json)
}

const askFor = (id: CampaignId) => ask(`/api/v1/campaigns/${id}/exports`)
const look = async (id: string) => ExportView.parse((await server.call('GET', `/api/v1/exports/${id}`)).json)

/** Asks for an export and has it built. */
async function exported(id: CampaignId): Promise<ExportView> {
  const asked = await askFor(id)
  await runExport(depsOf(), [asked.id])
  return look(asked.id)
}

async function bytesOf(view: ExportView, format: string, headers: Record<string, string> = {}) {
  const file = view.files.find(f => f.format === format)!
  const response = await fetch(new URL(`/api/v1/files/${file.sha256}`, server.url), { headers })
  return { file, response, bytes: new Uint8Array(await response.arrayBuffer()) }
}

const rowsOf = async (view: ExportView) =>
  Buffer.from((await bytesOf(view, 'ndjson')).bytes)
    .toString()
    .split('\n')
    .filter(line => line !== '')
    .map(line => CorpusRow.parse(JSON.parse(line)))

const parts = () => readdir(join(server.files, 'uploads'))

test('an export has the same rows in three formats, and a manifest with checksums, licences and every column', async () => {
  const { id } = await published([3.5, Number.NaN, 3.25])
  const asked = await askFor(id)
  expect(asked).toMatchObject({ state: 'building', scope: { campaignId: id }, files: [] })
  expect(server.woken.exports).toContain(asked.id)
  await runExport(depsOf(), [asked.id])
  const view = await look(asked.id)
  expect(view).toMatchObject({ state: 'ready', rows: 3 })
  for (const format of ['csv', 'ndjson', 'parquet', 'manifest']) {
    const { file, bytes, response } = await bytesOf(view, format)
    expect([sha256(bytes), bytes.length]).toEqual([file.sha256, file.bytes])
    expect(response.headers.get('cache-control')).toMatch(/immutable/)
  }
  const rows = await rowsOf(view)
  expect(rows.map(row => [row.status, row.metricValue])).toEqual([
    ['ok', 3.5],
    ['diverged', null],
    ['ok', 3.25],
  ])
  const parquet = await parquetReadObjects({ file: (await bytesOf(view, 'parquet')).bytes.buffer })
  const manifest = ExportManifest.parse(
    JSON.parse(Buffer.from((await bytesOf(view, 'manifest')).bytes).toString()),
  )
  const names = manifest.columns.map(column => column.name)
  expect(parquet.map(row => [row.workUnitId, row.metricValue, row['recipe.width']])).toEqual(
    rows.map(row => [row.workUnitId, row.metricValue, 16n]),
  )
  expect(Object.keys(parquet[0]!)).toEqual(names)
  const csv = Buffer.from((await bytesOf(view, 'csv')).bytes)
    .toString()
    .split('\n')
  expect(csv[0]).toBe(names.join(','))
  expect(csv).toHaveLength(5)
  expect(manifest).toMatchObject({
    ...{ rows: 3, withheldExperiments: 0, campaign: { title: 'Which learning rate?', kernel: 'tiny@0' } },
    licence: { rows: 'CC0-1.0', data: [{ name: 'fox@1', licence: 'CC0-1.0' }] },
    files: view.files.filter(file => file.format !== 'manifest'),
  })
})

test('is built once for each state: asking again gives the same, and what was published since another', async () => {
  const { id, units } = await published([3.5, 3.25])
  const first = await exported(id)
  server.advance(60_000)
  expect(await askFor(id)).toEqual(first)
  await server.database.knex.raw(`update corpus set retracted_at = now() where work_unit_id = ?`, [
    units[1]!.id,
  ])
  const second = await exported(id)
  expect(second.id).not.toBe(first.id)
  expect(second).toMatchObject({ state: 'ready', rows: 1 })
  expect(await look(first.id)).toEqual(first) // what was exported stays what it was
  const { json } = await server.call('GET', `/api/v1/campaigns/${id}/exports`)
  expect(ExportList.parse(json).exports).toEqual([second, first])
})

test('of a campaign that runs at most one a minute is made, and one at a time', async () => {
  const { id, units } = await published([3.5, 3.25])
  const [a, b] = await Promise.all([askFor(id), askFor(id)])
  expect(a).toEqual(b)
  await runExport(depsOf(), [a.id])
  await server.database.knex.raw(`update corpus set retracted_at = now() where work_unit_id = ?`, [
    units[0]!.id,
  ])
  expect((await askFor(id)).id).toBe(a.id)
  await server.database.knex.raw(
    `update campaigns set state = 'finished', ended_by = 'runs', ended_at = now() where id = ?`,
    [id],
  )
  expect((await askFor(id)).id).not.toBe(a.id)
})

test('leaves out what the leaderboard leaves out, what is provisional and what is under embargo', async () => {
  const { id, units } = await published([3.5, 3.25, 3.75, 3.625], 2)
  const { knex } = server.database
  await knex.raw(`update corpus set metric_value = 3 where work_unit_id = ?`, [units[2]!.id]) // it leads, unseen
  await knex.raw(STAND_ALONE, [units[1]!.id])
  const view = await exported(id)
  expect((await rowsOf(view)).map(row => row.metricValue)).toEqual([3.5])
  const manifest = JSON.parse(Buffer.from((await bytesOf(view, 'manifest')).bytes).toString())
  expect(manifest.withheldExperiments).toBe(2)
})

test('a download goes on where it broke off', async () => {
  const view = await exported((await published([3.5])).id)
  const whole = (await bytesOf(view, 'parquet')).bytes
  const { response, bytes } = await bytesOf(view, 'parquet', { range: 'bytes=100-' })
  expect([response.status, Buffer.compare(bytes, whole.slice(100))]).toEqual([206, 0])
})

test('a month of the whole corpus is exported alike, each run once', async () => {
  await server.database.knex.raw(`update corpus set published_at = '2026-10-31T23:59:59Z'`)
  const mine = await published([3.5, 3.25])
  const other = await published([3.125])
  const asked = await ask('/api/v1/corpus/exports', { period: '2026-11' })
  await runExport(depsOf(), [asked.id])
  const rows = await rowsOf(await look(asked.id))
  expect(rows.map(row => row.campaignId)).toEqual([mine.id, mine.id, other.id])
  for (const period of ['2026-13', '2027-01', '2026'])
    expect((await server.call('POST', '/api/v1/corpus/exports', { body: { period } })).code).toBe(
      'bad_request',
    )
  expect((await server.call('GET', '/api/v1/exports/x')).code).toBe('not_found')
})

test('killed after any file, nothing half is there, and the next try builds the same', async () => {
  const { id } = await published([3.5, 3.25])
  const asked = await askFor(id)
  for (const step of [1, 2, 3, 4]) {
    for (const verb of ['fill', 'finish'] as const) {
      let calls = 0
      const dying: Blobs = {
        ...server.blobs,
        [verb]: async (...args: never[]) => {
          if (++calls === step) throw new Error('killed')
          return (server.blobs[verb] as (...args: never[]) => unknown)(...args)
        },
        discard: async () => undefined, // nor is anything cleaned up
      }
      await expect(runExport(depsOf(dying), [asked.id])).rejects.toThrow('killed')
      expect(await look(asked.id)).toEqual(asked)
    }
  }
  const [{ n }] = (
    await server.database.knex.raw(`select count(*) as n from export_files where export_id = ?`, [asked.id])
  ).rows
  expect(n).toBe(0)
  await Promise.all([runExport(depsOf(), [asked.id]), runExport(depsOf(), [asked.id])]) // twice at once
  const view = await look(asked.id)
  expect(view).toMatchObject({ state: 'ready', rows: 2 })
  for (const format of ['csv', 'ndjson', 'parquet', 'manifest']) {
    const { file, bytes } = await bytesOf(view, format)
    expect(sha256(bytes)).toBe(file.sha256)
  }
  await server.blobs.sweep(addMs(server.now(), 365 * 24 * 3600_000))
  expect(await parts()).toEqual([])
  await runExport(depsOf(), [asked.id])
  expect(await look(asked.id)).toEqual(view)
})

test('an attempt that the disk breaks off leaves no part of a file', async () => {
  const { id } = await published([3.5])
  const asked = await askFor(id)
  const before = await parts()
  async function* breaking(chunks: AsyncIterable<Uint8Array>) {
    yield* chunks
    throw new Error('no space left')
  }
  const full: Blobs = {
    ...server.blobs,
    fill: (upload, chunks, limit) => server.blobs.fill(upload, breaking(chunks), limit),
  }
  await expect(runExport(depsOf(full), [asked.id])).rejects.toThrow('no space left')
  expect(await parts()).toEqual(before)
})

test('what would be too large fails with the reason', async () => {
  const { id } = await published([3.5])
  const asked = await askFor(id)
  const small: Blobs = { ...server.blobs, fill: async () => 'too_large' }
  await runExport(depsOf(small), [asked.id])
  const view = await look(asked.id)
  expect(view).toMatchObject({ state: 'failed', files: [] })
  expect(view.detail).toMatch(/export its campaigns/)
})

test('the sweep asks again for what was lost, and forgets old exports with their files but those that another has', async () => {
  const { id, units } = await published([3.5, 3.25, 3.125, 3])
  const views: ExportView[] = []
  for (const unit of units) {
    views.push(await exported(id))
    await server.database.knex.raw(`update corpus set retracted_at = now() where work_unit_id = ?`, [unit.id])
    server.advance(60_000)
  }
  const lost = await askFor(id) // nobody builds it
  const asked: string[] = []
  const deps = {
    ...depsOf(),
    enqueue: async (_: unknown, queue: string, ids: readonly string[]) => {
      asked.push(...ids.map(name => `${queue} ${name}`))
    },
  }
  await sweepExports(deps)
  expect(asked).not.toContain(`export ${lost.id}`)
  server.advance(25 * 3600_000)
  await sweepExports(deps)
  expect(asked).toContain(`export ${lost.id}`)
  const [first, second, ...kept] = views
  for (const { id } of [first!, second!])
    expect((await server.call('GET', `/api/v1/exports/${id}`)).code).toBe('not_found')
  for (const view of kept) expect((await bytesOf(view, 'csv')).response.status).toBe(200)
  expect((await bytesOf(first!, 'csv')).response.status).toBe(404)
  expect(await server.blobs.has(first!.files[0]!.sha256)).toBe(false)
})
