import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHistories } from '#store/histories.ts'
import { readReports, readTrials } from '#store/search.ts'
import { addHost } from '#support/hosts.ts'
import { type Lifecycle, report, startLifecycle, submit, take } from '#support/lifecycle.ts'
import { PROVEN } from '#support/trusting.ts'

let life: Lifecycle
beforeEach(async () => {
  life = await startLifecycle()
})
afterEach(() => life.close())

const search = () =>
  submit(life, {
    ...{ runs: 20, quorum: 1, policy: 'fixed' },
    file: { space: { lr: { log: [0.001, 0.1] } }, sampler: { name: 'tpe', seed: 7 } },
  })

test.each([1_000, 1])(
  'a history is what is stored, whoever reads it and when; %i trials remembered',
  async most => {
    const [{ id }, other] = [await search(), await search()]
    const histories = openHistories(most)
    const host = await addHost(life, PROVEN)
    for (let run = 0; run < 4; run++) {
      const [known, again] = await Promise.all([
        histories.read(life.knex, id),
        histories.read(life.knex, id),
        histories.read(life.knex, other.id),
      ])
      const stored = { trials: await readTrials(life.knex, id), reports: await readReports(life.knex, id) }
      expect(known).toEqual(stored)
      expect(again).toEqual(stored)
      await report(life, host, await take(life, host))
    }
    const { trials, reports } = await histories.read(life.knex, id)
    expect([trials.length, reports.length]).toEqual([12, 4])
  },
)
