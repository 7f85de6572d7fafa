import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { drawWeights, judgeWeights } from '#domain/evidence.ts'
import { checkUndelivered, excludeLiars, planEvaluations } from '#jobs/evaluate.ts'
import { Job } from '#protocol/job.ts'
import type { Lease } from '#protocol/scheduler.ts'
import type { ResultId } from '#protocol/units.ts'
import { requestArtifacts } from '#store/files.ts'
import { runReport, sha256, testIds } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

const METRIC = 3.25
const WEIGHTS = Buffer.from('weights of a run')

let scene: Scene
let verifier: TestHost
beforeAll(async () => {
  scene = await startScene()
  verifier = await enrolHost(scene.server, { token: scene.verifyToken })
})
afterAll(() => scene.server.close())

const deps = () => ({
  ...{ knex: scene.server.database.knex, now: scene.server.now, secret: 'test', ids: testIds },
  enqueue: async () => {},
})

describe('weights that a host committed to and delivered', () => {
  let host: TestHost
  let resultId: ResultId
  let hash: string
  let lease: Lease
  let count = 0
  beforeEach(async () => {
    await scene.clear()
    await deps().knex.raw(`update evaluations set outcome = 'failed', ended_at = now() where outcome is null`)
    await scene.campaign([{ quorum: 1, createdAt: scene.server.now() }])
    host = await enrolHost(scene.server)
    const [given] = (await host.ask({ want: 1 })).leases
    if (given === undefined) throw new Error('no lease')
    resultId = given.resultId
    const weights = Buffer.concat([WEIGHTS, Buffer.from(String(++count))])
    hash = sha256(weights)
    const run = runReport({
      metric: { name: 'val_bpb', value: METRIC + count },
      artifactSha256: sha256(weights),
    })
    await host.ask({ reports: [await host.report(resultId, run)] })
    await requestArtifacts(deps().knex, [resultId], scene.server.now())
    expect((await verifier.ask({ want: 2 })).leases).toEqual([]) // nothing to look at before they come
    expect((await host.put(hash, weights)).status).toBe(200)
    expect(await planEvaluations(deps())).toBe(1)
    expect(await planEvaluations(deps())).toBe(0)
    const leases = (await verifier.ask({ want: 2 })).leases
    expect(leases).toHaveLength(1)
    lease = leases[0] as Lease
  })
  const outcome = async () =>
    (await deps().knex.raw(`select outcome from evaluations where result_id = ?`, [resultId])).rows[0].outcome
  const evaluated = (value: number) =>
    verifier.report(
      lease.resultId,
      runReport({ metric: { name: 'val_bpb', value }, artifactSha256: null, trace: runReport().trace }),
    )

  test('are leased to the verifier alone, behind the data, and it alone may read them before publication', async () => {
    expect(Job.parse(JSON.parse(lease.job)).task).toBe('evaluate')
    expect(lease.data.map(file => file.sha256).slice(-1)).toEqual([hash])
    const path = `/api/v1/files/${hash}`
    expect((await scene.server.call('GET', path)).code).toBe('embargoed')
    expect((await scene.server.call('GET', path, { token: host.token })).code).toBe('embargoed')
    expect((await scene.server.call('GET', path, { token: verifier.token })).status).toBe(200)
    expect((await host.ask({ want: 2 })).leases).toEqual([])
    const held = [{ resultId: lease.resultId, fraction: 0.5 }]
    expect(await verifier.ask({ held, want: 2 })).toMatchObject({ leases: [], abort: [] })
    expect((await verifier.ask({ held: [], want: 0 })).leases).toMatchObject([{ resultId: lease.resultId }])
  })

  test('and give the metric that was claimed: nothing happens, and they count as no replica', async () => {
    const { reports } = await verifier.ask({ reports: [await evaluated(METRIC + count)] })
    expect(reports).toMatchObject([{ resultId: lease.resultId, outcome: 'accepted' }])
    expect(await outcome()).toBe('equal')
    expect(await excludeLiars(deps())).toBe(0)
    expect(await scene.row('hosts', host.id)).toMatchObject({ state: 'active' })
    expect(await scene.row('results', lease.resultId)).toBeUndefined()
    expect((await scene.server.call('GET', `/api/v1/results/${lease.resultId}`)).status).toBe(404)
  })

  test('are reported once more by a verifier that did not hear the answer: it stays what it was', async () => {
    for (const value of [METRIC + count, METRIC + count, METRIC]) {
      const { reports } = await verifier.ask({ reports: [await evaluated(value)] })
      expect(reports).toEqual([{ resultId: lease.resultId, outcome: 'accepted' }])
    }
    expect(await outcome()).toBe('equal')
  })

  test('and give another metric: the host cheated', async () => {
    await verifier.ask({ reports: [await evaluated(METRIC + count + 1e-9)] })
    expect(await outcome()).toBe('different')
    expect(await excludeLiars(deps())).toBe(1)
    expect(await excludeLiars(deps())).toBe(0)
    expect(await scene.row('hosts', host.id)).toMatchObject({ state: 'quarantined' })
    expect((await host.call()).code).toBe('host_quarantined')
  })

  test('are evaluated by nobody else: what another host says is refused', async () => {
    const other = await enrolHost(scene.server)
    const report = await other.report(lease.resultId, runReport())
    expect((await other.ask({ reports: [report] })).reports).toMatchObject([{ code: 'report_unknown' }])
    expect(await outcome()).toBeNull()
    await verifier.ask({ reports: [await evaluated(METRIC + count)] })
  })

  test('and a verifier that goes away leaves to another', async () => {
    scene.server.advance(2 * 3600_000)
    const other = await enrolHost(scene.server, { token: scene.verifyToken })
    expect((await other.ask({ want: 1 })).leases).toMatchObject([{ resultId: lease.resultId }])
    const late = await verifier.ask({ reports: [await evaluated(METRIC)] })
    expect(late.reports).toMatchObject([{ outcome: 'refused' }])
    const error = {
      resultId: lease.resultId,
      outcome: 'error',
      code: 'kernel_refused',
      detail: 'x',
      cpuMs: 1,
    }
    await other.ask({ reports: [error] })
    expect(await outcome()).toBe('different')
  })
})

test('weights that do not come in a day are wanted no more, and the verifier computes the run again', async () => {
  await scene.clear()
  const { units } = await scene.campaign([{ quorum: 1, createdAt: scene.server.now() }])
  const host = await enrolHost(scene.server)
  const [given] = (await host.ask({ want: 1 })).leases
  if (given === undefined) throw new Error('no lease')
  const { resultId } = given
  await host.ask({
    reports: [await host.report(resultId, runReport({ artifactSha256: sha256('never sent') }))],
  })
  const { knex } = deps()
  await knex.raw(`update results set verdict = 'valid' where id = ?`, [resultId])
  await knex.raw(
    `update work_units set state = 'valid', canonical_result_id = ?, closed_at = now() where id = ?`,
    [resultId, units[0]?.id ?? ''],
  )
  await requestArtifacts(knex, [resultId], scene.server.now())
  scene.server.advance(24 * 3600_000)
  expect(await checkUndelivered(deps())).toBe(0)
  expect((await host.ask()).wanted).toHaveLength(1)
  scene.server.advance(1)
  expect(await checkUndelivered(deps())).toBe(1)
  expect(await checkUndelivered(deps())).toBe(0)
  expect((await host.ask()).wanted).toEqual([])
  expect(await scene.row('work_units', given.workUnitId)).toMatchObject({
    wanted_check: 'verifier',
    demand: 'audit',
  })
  expect(await scene.events(host.id)).toContain('artifact_missing')
})

test.each([
  [[0.005, 0.9], 'none'],
  [[0.004, 0.9], 'evaluate'],
  [[0.004, 0.1], 'decoy'],
] as const)('draws %j ask for weights: %s', (draws, expected) => {
  expect(drawWeights(draws)).toBe(expected)
})

test.each([
  [{ type: 'success', metric: 2 }, 'equal'],
  [{ type: 'success', metric: 2.0000001 }, 'different'],
  [{ type: 'success', metric: null }, 'different'],
  [{ type: 'error', code: 'kernel_refused' }, 'different'],
  [{ type: 'error', code: 'out_of_memory' }, 'failed'],
] as const)('an evaluation %j of a claim of 2 is %s', (said, expected) => {
  expect(judgeWeights(2, said)).toBe(expected)
})
