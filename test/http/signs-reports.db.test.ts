import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { sha256Bytes } from '#domain/hash.ts'
import { hashNow } from '#protocol/merkle.ts'
import { isProven, reportsRoot, treeOfReports } from '#protocol/report-signature.ts'
import type { SuccessReport } from '#protocol/scheduler.ts'
import type { ResultId, Sha256 } from '#protocol/units.ts'
import { readConfig } from '#server/config.ts'
import { examineServer } from '#server/doctor.ts'
import { settleOnce } from '#store/settings.ts'
import { runReport } from '#support/builders.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost, type TestHost } from '#support/server.ts'

let scene: Scene
let host: TestHost
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.server.close())
beforeEach(async () => {
  await scene.clear()
  host = await enrolHost(scene.server)
})

/** Reports without signatures, of results that the host holds. */
async function finished(count: number): Promise<SuccessReport[]> {
  await scene.campaign(
    Array.from({ length: count }, () => ({ results: 1, quorum: 1, createdAt: scene.server.now() })),
  )
  const { leases } = await host.ask({ want: count })
  return Promise.all(
    leases.map(async ({ resultId }) => {
      const { signature: _, ...unsigned } = await host.report(resultId, runReport())
      return unsigned
    }),
  )
}

test('the doctor looks at stored reports, and names one that is not what its host signed', async () => {
  const { knex } = scene.server.database
  await settleOnce(knex, 'server_id', scene.server.serverId)
  const config = readConfig({ XEENET_DATA_DIR: import.meta.dirname })
  const look = async () =>
    (await examineServer({ config, knex, why: '', now: scene.server.now })).find(
      ({ name }) => name === 'proofs',
    )
  const reports = await finished(2)
  await host.call({ reports }, { root: rootOver(reports) })
  expect(await look()).toMatchObject({ ok: true, found: expect.stringContaining('0 of 2 reports') })
  const [first, second] = reports
  await knex.raw('update results set digest = ? where id = ?', [
    first!.digest.replace(/./g, 'a'),
    second!.resultId,
  ])
  expect(await look()).toMatchObject({ ok: false, found: expect.stringContaining(`: ${second!.resultId}`) })
})

function rootOver(reports: readonly { resultId: ResultId; digest: Sha256 }[]): Sha256 {
  const claims = reports.map(({ resultId, digest }) => claimOf(resultId, digest))
  const root = reportsRoot(hashNow(treeOfReports(claims), sha256Bytes))
  if (root === undefined) throw new Error('no report')
  return root
}

const claimOf = (resultId: ResultId, digest: Sha256) => ({
  ...{ serverId: scene.server.serverId, hostId: host.id, resultId, digest },
})

test('one signature proves all reports of a call, each by itself', async () => {
  const reports = await finished(2)
  const reply = await host.call({ reports }, { root: rootOver(reports) })
  expect(reply.json).toMatchObject({
    signsReports: true,
    reports: reports.map(({ resultId }) => ({ resultId, outcome: 'accepted' })),
  })
  const { public_key: key } = await scene.row('hosts', host.id)
  const [first, second] = reports
  for (const [said, stored, proven] of [
    [first, first, true],
    [second, second, true],
    [first, second, false],
  ] as const) {
    const { signature } = await scene.row('results', stored!.resultId)
    expect(await isProven(String(key), claimOf(said!.resultId, said!.digest), String(signature))).toBe(proven)
  }
})

test('a report that is malformed is refused by itself', async () => {
  const [good, bad] = await finished(2)
  const { json } = await host.call(
    { reports: [good, { ...bad, cpuMs: -1 }] },
    { root: rootOver([good!, bad!]) },
  )
  expect(json).toMatchObject({
    reports: [{ outcome: 'accepted' }, { outcome: 'refused', code: 'report_malformed' }],
  })
})

test('a report with a signature of its own is checked by that', async () => {
  const [first, second] = await finished(2)
  const signed = await host.report(second!.resultId, runReport())
  for (const [signature, outcome] of [
    ['A'.repeat(86), 'refused'],
    [signed.signature, 'accepted'],
  ]) {
    const reports = [first, { ...signed, signature }]
    const { json } = await host.call({ reports }, { root: rootOver([first!]) })
    expect(json).toMatchObject({ reports: [{ outcome: 'accepted' }, { outcome }] })
  }
  expect(await scene.row('results', second!.resultId)).toMatchObject({ signature: signed.signature })
})

test('a call that signed other reports than came is refused as a whole, and may be said again with a signature for each', async () => {
  const [first, second] = await finished(2)
  const other = { ...second!, digest: first!.digest.replace(/^./, 'f') as Sha256 }
  const call = 100
  for (const wrong of [[first!], [second!, first!], [first!, other]]) {
    const reply = await host.call({ reports: [first, second] }, { root: rootOver(wrong), call })
    expect(reply).toMatchObject({ status: 401, code: 'signature_invalid' })
  }
  expect(await scene.row('results', first!.resultId)).toMatchObject({ state: 'in_progress', digest: null })
  const signed = await host.report(first!.resultId, runReport())
  const { json } = await host.call({ reports: [signed] }, { call })
  expect(json).toMatchObject({ reports: [{ outcome: 'accepted' }] })
})

test('without the root nobody signed a report; a root under a signature that does not cover it is nothing', async () => {
  const reports = await finished(1)
  expect((await host.call({ reports })).json).toMatchObject({
    reports: [{ outcome: 'refused', code: 'report_signature_invalid' }],
  })
  const root = rootOver(reports)
  const eve = await enrolHost(scene.server)
  for (const how of [{ headers: { 'xeenet-reports': root } }, { root, privateKey: eve.privateKey }])
    expect(await host.call({ reports }, how)).toMatchObject({ status: 401, code: 'signature_invalid' })
})

test('a call that is repeated is answered as before', async () => {
  const reports = await finished(1)
  const how = { root: rootOver(reports), call: 100 }
  const first = await host.call({ reports }, how)
  expect((await host.call({ reports }, how)).text).toBe(first.text)
})
