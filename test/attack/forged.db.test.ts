import { afterAll, beforeAll, expect, test } from 'vitest'
import { FILE_BYTES_MAX } from '#protocol/limits.ts'
import type { ResultId } from '#protocol/units.ts'
import { requestArtifacts } from '#store/files.ts'
import { runReport, sha256 } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.server.close())

async function leased(host: TestHost): Promise<ResultId> {
  const [lease] = (await host.ask({ want: 1 })).leases
  if (lease === undefined) throw new Error('no lease')
  return lease.resultId
}

/** Two hosts of different owners, each with a result of one unit. */
async function pair(): Promise<[TestHost, ResultId, TestHost, ResultId]> {
  await scene.clear()
  await scene.campaign([{ quorum: 2, createdAt: scene.server.now() }])
  const [ann, eve] = [await enrolHost(scene.server), await enrolHost(scene.server)]
  return [ann, await leased(ann), eve, await leased(eve)]
}

const answer = async (host: TestHost, report: unknown) => (await host.ask({ reports: [report] })).reports[0]

test('a replayed report is the stored answer, and for another result, or from another host, it is worth nothing', async () => {
  const [ann, annsId, eve, evesId] = await pair()
  const report = await ann.report(annsId, runReport())
  expect(await answer(ann, report)).toMatchObject({ outcome: 'accepted' })
  const stored = await scene.row('results', annsId)
  expect(await answer(ann, report)).toMatchObject({ outcome: 'accepted' })
  expect(await scene.row('results', annsId)).toMatchObject({ reported_at: stored.reported_at, decision: 0 })
  expect(await answer(eve, report)).toMatchObject({ outcome: 'refused', code: 'report_signature_invalid' })
  const moved = { ...report, resultId: evesId }
  expect(await answer(eve, moved)).toMatchObject({ outcome: 'refused', code: 'report_signature_invalid' })
})

test('a report for another host’s lease, signed by the liar itself, is refused', async () => {
  const [, annsId, eve] = await pair()
  const report = await eve.report(annsId, runReport())
  expect(await answer(eve, report)).toMatchObject({ outcome: 'refused', code: 'report_unknown' })
  expect(await scene.row('results', annsId)).toMatchObject({ state: 'in_progress', digest: null })
})

test('a stolen token is nothing without the key', async () => {
  const [ann, , eve] = await pair()
  expect(await ann.call({}, { privateKey: eve.privateKey })).toMatchObject({
    status: 401,
    code: 'signature_invalid',
  })
})

test('ten times the budget: a run that says so is refused and costs trust', async () => {
  const [ann, annsId] = await pair()
  const before = await scene.row('hosts', ann.id)
  const run = runReport({ fuelUsed: 10e9, metric: { name: 'val_bpb', value: 1.5 } })
  expect(await answer(ann, await ann.report(annsId, run))).toMatchObject({
    outcome: 'refused',
    code: 'report_inconsistent',
  })
  expect(Number((await scene.row('hosts', ann.id)).daily_quota)).toBeLessThan(Number(before.daily_quota))
})

test('weights trained on the validation split: where the entropy is known, a metric below it is refused', async () => {
  const [ann, annsId, eve, evesId] = await pair()
  const { knex } = scene.server.database
  await knex.raw(`update datasets set metric_floor = 3`)
  const claim = (value: number) => runReport({ metric: { name: 'val_bpb', value } })
  const refused = { outcome: 'refused', code: 'report_inconsistent' }
  expect(await answer(ann, await ann.report(annsId, claim(2.99)))).toMatchObject(refused)
  expect(await answer(eve, await eve.report(evesId, claim(3.01)))).toMatchObject({ outcome: 'accepted' })
  await knex.raw(`update datasets set metric_floor = null`)
})

test('another owner’s report, late or not, cannot be seen before it cannot be copied any more', async () => {
  const [ann, annsId, eve, evesId] = await pair()
  scene.server.advance(90_000) // both are past the deadline of a minute, within their grace
  const run = runReport()
  expect(await answer(ann, await ann.report(annsId, run))).toMatchObject({ outcome: 'accepted' })
  const seen = await scene.server.call('GET', `/api/v1/results/${annsId}`)
  expect(seen.text).not.toContain(sha256(JSON.stringify(run)))
  expect(seen.text).not.toContain(String(run.metric?.value))
  expect(seen.text).not.toContain(String(run.artifactSha256))
  await scene.server.database.knex.raw(
    `update results set state = 'over', outcome = 'no_reply' where id = ?`,
    [evesId],
  )
  await scene.server.database.knex.raw(
    `update work_units w set state = 'failed', failure = 'too_many_errors', closed_at = now(), published_at = now()
     from results r where r.id = ? and w.id = r.work_unit_id`,
    [evesId],
  )
  scene.server.advance(3600_000)
  expect(await answer(eve, await eve.report(evesId, run))).toMatchObject({
    outcome: 'refused',
    code: 'report_stale',
  })
})

test('an artifact larger than any may be is refused before it is stored', async () => {
  const [ann, annsId] = await pair()
  const weights = Buffer.from('small')
  await answer(ann, await ann.report(annsId, runReport({ artifactSha256: sha256(weights) })))
  await requestArtifacts(scene.server.database.knex, [annsId], scene.server.now())
  const range = `bytes 0-4/${FILE_BYTES_MAX + 1}`
  expect((await ann.put(sha256(weights), weights, { range })).code).toBe('file_too_large')
  expect(await scene.server.blobs.has(sha256(weights))).toBe(false)
})
