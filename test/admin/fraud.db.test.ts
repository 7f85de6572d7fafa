import { afterEach, beforeEach, expect, test } from 'vitest'
import { findSuspects } from '#operate/suspects.ts'
import { addMs } from '#protocol/units.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, reportError, startLifecycle, submit, take } from '#support/lifecycle.ts'
import { compute, PROVEN, STRANGER } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

test('the fraud report names who differs from the verifier or fails far more often, first and with the reasons', async () => {
  await submit(life, { runs: 40 })
  const [honest, broken] = [await addHost(life, PROVEN), await addHost(life, STRANGER)]
  for (let i = 0; i < 12; i++) {
    await compute(life, honest)
    await reportError(life, broken, await take(life, broken))
  }
  const liar = await addHost(life, PROVEN)
  await compute(life, liar)
  await life.knex.raw(`update hosts set recent_checks = '=xxx' where id = ?`, [liar])
  const found = await findSuspects(life.knex, { since: addMs(life.now(), -1) })
  expect(found.map(({ hostId }) => hostId)).toEqual([liar, broken, honest])
  expect(found.map(({ reasons }) => reasons.join())).toEqual([
    '3 of the last 4 comparisons with the verifier differ',
    expect.stringMatching(/^it fails more often than others: \d/),
    '',
  ])
  expect(await findSuspects(life.knex, { since: life.now() })).toEqual([])
})
