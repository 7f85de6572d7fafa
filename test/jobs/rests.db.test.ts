import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Enqueue } from '#jobs/deps.ts'
import { lookAtDue, openRests, unlessResting } from '#jobs/rests.ts'
import { pauseCampaign } from '#store/campaign-life.ts'
import { inTransaction } from '#store/database.ts'
import { type Lifecycle, startLifecycle, submit } from '#support/lifecycle.ts'

let life: Lifecycle

beforeAll(async () => {
  life = await startLifecycle()
})
afterAll(() => life.close())

test('a campaign with work in store needs no look, until it is changed; one that has all its runs is looked at', async () => {
  const { id } = await submit(life, { runs: 1_500 })
  const { id: small } = await submit(life, { runs: 1 })
  const rests = openRests()
  const look = lookAtDue(rests)
  const due = () => rests.due(life.knex, [id, small], life.now())
  const asked: string[] = []
  const enqueue: Enqueue = async (_, queue, ids) => void asked.push(...ids.map(each => `${queue} ${each}`))
  const ask = () =>
    inTransaction(life.knex, async trx => {
      for (const queue of ['propose', 'standing'] as const)
        await unlessResting(enqueue, rests, life.now)(trx, queue, [id])
      return asked.splice(0)
    })
  const lookAgain = async () => {
    life.advance(1_000)
    await look(life.deps, [id, small])
  }

  await lookAgain()
  expect(await due()).toEqual([id, small]) // how fast it is computed is not known yet
  await lookAgain()
  expect(await due()).toEqual([small])
  expect(await ask()).toEqual([`standing ${id}`])

  await inTransaction(life.knex, trx => pauseCampaign(trx, { id, by: 'owner', now: life.now() }))
  expect(await due()).toEqual([id, small])
  await lookAgain()
  expect(await ask()).toEqual([`propose ${id}`, `standing ${id}`])
})
