import { afterAll, beforeAll, expect, test } from 'vitest'
import { insertCorpus, retractCorpus } from '#store/corpus.ts'
import { inTransaction } from '#store/database.ts'
import { lockWorkUnits, reopenWorkUnits } from '#store/work-units.ts'
import { runReport } from '#support/builders.ts'
import { computeUnits, endEmbargo } from '#support/publishing.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost } from '#support/server.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.server.close())

test('of a unit one row stands: who publishes it again, also at the same moment, adds none', async () => {
  const { server } = scene
  const { knex } = server.database
  const { id, units } = await scene.campaign([{ quorum: 1 }])
  await computeUnits(await enrolHost(server), units, [1])
  await endEmbargo(knex, id)
  const unitId = units[0]!.id
  const { rows } = await knex.raw('select id, digest from results where work_unit_id = ?', [unitId])
  const row = {
    workUnitId: unitId,
    resultId: rows[0].id,
    digest: rows[0].digest,
    replicas: 1,
    report: runReport(),
  }
  const publish = () =>
    inTransaction(knex, async trx => {
      await lockWorkUnits(trx, [unitId])
      return insertCorpus(trx, [row], server.now())
    })
  expect(await publish()).toBe(0)
  await inTransaction(knex, async trx => {
    await reopenWorkUnits(trx, [unitId], server.now())
    await retractCorpus(trx, [unitId], server.now())
  })
  const added = await Promise.all([publish(), publish(), publish()])
  expect(added.sort()).toEqual([0, 0, 1])
  const { rows: revisions } = await knex.raw(
    'select revision, retracted_at is null as stands from corpus where work_unit_id = ? order by revision',
    [unitId],
  )
  expect(revisions).toEqual([
    { revision: 0, stands: false },
    { revision: 1, stands: true },
  ])
})
