// Whoever moves campaigns on may die at any statement, and another does the same again: nothing is decided twice or lost.

import { expect, test } from 'vitest'
import type { CampaignId } from '#protocol/units.ts'
import { addHost } from '#support/hosts.ts'
import { killLooks } from '#support/killing.ts'
import { auditOf, type Lifecycle, rows, startLifecycle, submit } from '#support/lifecycle.ts'
import { computeAll } from '#support/searching.ts'
import { PROVEN } from '#support/trusting.ts'

type Scenario = Parameters<typeof submit>[1]

const SEARCH = { space: { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32] } } }
const SCENARIOS: readonly (readonly [string, Scenario])[] = [
  [
    'a sampler is asked and told',
    {
      runs: 12,
      quorum: 1,
      file: { ...SEARCH, sampler: { name: 'tpe', seed: 7, startup: 4 }, stop: { prune: 'none' } },
    },
  ],
  [
    'runs are stopped early',
    {
      runs: 10,
      quorum: 1,
      file: { ...SEARCH, sampler: { name: 'tpe', seed: 7, startup: 4 }, stop: { prune: 'asha' } },
    },
  ],
  ['the unchanged recipe runs beside', { runs: 3, quorum: 1, seeds: 2, file: { baseline: true } }],
  [
    'the agent moves the space',
    {
      ...{ runs: 34, quorum: 1, policy: 'fixed' },
      file: {
        space: { lr: { log: [0.03, 0.1] }, width: { choice: [16, 32] } }, // the best rate is 0.01
        ...{
          sampler: { name: 'tpe', seed: 7, startup: 8 },
          stop: { prune: 'none' },
          agent: { widen: { lr: [0.002, 0.1] } },
        },
      },
    },
  ],
]

test.each(SCENARIOS)('while %s', async (_, scenario) => {
  const undisturbed = await lifeOf(scenario, () => () => 0)
  const disturbed = await lifeOf(scenario, killLooks)
  expect(disturbed.deaths).toBeGreaterThan(20)
  expect(disturbed.told).toEqual(undisturbed.told)
})

async function lifeOf(scenario: Scenario, disturb: (life: Lifecycle) => () => number) {
  const life = await startLifecycle()
  try {
    await life.knex.raw(`update kernels set manifest = manifest || '{"rungs": true}'`)
    const deaths = disturb(life)
    const { id } = await submit(life, scenario)
    await computeAll(life, await addHost(life, PROVEN))
    expect((await auditOf(life)).balanced).toBe(true)
    return { deaths: deaths(), told: await toldOf(life, id) }
  } finally {
    await life.close()
  }
}

/** All that a campaign became, without the ids. */
async function toldOf(life: Lifecycle, id: CampaignId) {
  const of = (columns: string, table: string, order: string) =>
    rows(life, `select ${columns} from ${table} where campaign_id = :id order by ${order}`, { id })
  const told = {
    campaign: await rows(
      life,
      `select state, ended_by, experiments_created, revision from campaigns where id = :id`,
      { id },
    ),
    experiments: await of('ordinal, recipe, baseline, proposer, asked, revision', 'experiments', 'ordinal'),
    units: await of('seed_index, rung, seed, state, metric', 'work_units', 'experiment_id, seed_index, rung'),
    revisions: await of('revision, reason', 'campaign_revisions', 'revision'),
    notes: await of('kind, body', 'campaign_notes', 'id'),
    events: await of('event, detail', 'campaign_events', 'id'),
    transfers: await rows(
      life,
      `select kind, sum(amount_milli)::int as milli, sum(coalesce(cardinality(grants), 1))::int as n
       from transfers group by kind order by kind`,
    ),
  }
  return JSON.parse(JSON.stringify(told).replaceAll(/\b[a-z]_[0-9a-z]{26}\b/g, 'an id'))
}
