import { afterAll, beforeAll, expect, test } from 'vitest'
import { isUnsentMore } from '#store/dispatch.ts'
import { type Scene, startScene } from '#support/scene.ts'
import { enrolHost } from '#support/server.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.server.close())

test('the line is as long as there are results that nobody was given', async () => {
  const { knex } = scene.server.database
  const unsent = async () => (await knex('results').where({ state: 'unsent' })).length
  const isMoreThan = (counts: readonly number[]) => Promise.all(counts.map(n => isUnsentMore(knex, n)))
  await scene.campaign([{}, {}, {}])
  const before = await unsent()
  expect(await isMoreThan([before - 1, before])).toEqual([true, false])
  await (await enrolHost(scene.server)).ask({ want: 1 })
  const after = await unsent()
  expect(await isMoreThan([after - 1, after])).toEqual([true, false])
})
