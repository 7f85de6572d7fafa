import { expect, test } from 'vitest'
import { experimentsToAsk, experimentsToCreate, newWorkUnit, restMsOf } from '#domain/campaign.ts'
import { workUnit } from '#support/work-units.ts'

const { id, campaignId, experimentId } = workUnit()
const ids = {
  ...({ id, campaignId, experimentId, engineClass: 'wasm' } as const),
  ...({ policy: 'adaptive', check: 'none' } as const),
}

test('a work unit takes its deadline from the campaign file, and a grace as long up to a day', () => {
  const day = 24 * 3600_000
  const short = newWorkUnit({ ...ids, quorum: 2, deadlineMs: 5000, fuelMax: 1e9 })
  expect(short).toMatchObject({ deadlineMs: 5000, graceMs: 5000, minQuorum: 2, targetResults: 2 })
  expect(newWorkUnit({ ...ids, quorum: 2, deadlineMs: 3 * day, fuelMax: 1e9 }).graceMs).toBe(day)
  expect(newWorkUnit({ ...ids, quorum: 2, deadlineMs: undefined, fuelMax: 1e9 }).deadlineMs).toBe(
    6 * 3600_000,
  )
})

test.each([
  ['fills the room', { unsent: 900 }, 50],
  ['nothing while there is no room', { unsent: 999 }, 0],
  ['more for many hosts', { unsent: 1000, activeHosts: 300 }, 100],
  ['half as many where the owner has six campaigns more', { unsent: 300, furtherCampaigns: 6 }, 100],
  ['no more than are left', { unsent: 0, remaining: 7 }, 7],
  ['in batches', { unsent: 0, activeHosts: 10_000 }, 1_000],
  [
    'in smaller batches when seeds are many',
    { unsent: 0, seedsPerExperiment: 50, resultsPerExperiment: 100 },
    10,
  ],
  ['one at least when nothing is left to hand out', { unsent: 0, resultsPerExperiment: 2000 }, 1],
])('experiments to create: %s', (_, facts, count) => {
  const usual = {
    unsent: 0,
    activeHosts: 0,
    furtherCampaigns: 0,
    resultsPerExperiment: 2,
    seedsPerExperiment: 1,
    remaining: 10_000,
  }
  expect(experimentsToCreate({ ...usual, ...facts })).toBe(count)
})

test.each([
  ['keeps a few in flight for a lone host', {}, 8],
  ['waits for outcomes', { inFlight: 8 }, 0],
  ['asks for what came free', { inFlight: 5 }, 3],
  ['keeps two runs a host in flight', { activeHosts: 100 }, 200],
  ['counts the seeds of an experiment as runs', { activeHosts: 100, seedsPerExperiment: 4 }, 50],
  ['no more than are left', { remaining: 2 }, 2],
  ['in batches', { activeHosts: 10_000, remaining: 10_000 }, 500],
  ['never fewer than none', { inFlight: 99 }, 0],
])('a sampler that learns %s', (_, facts, count) => {
  const usual = { inFlight: 0, activeHosts: 1, seedsPerExperiment: 1, remaining: 1_000 }
  expect(experimentsToAsk({ ...usual, ...facts })).toBe(count)
})

test.each([
  ['four seconds while nothing is taken', { made: 0 }, 4_000],
  ['until five hundred are missing again', { made: 1_000 }, 500],
  ['not long where it is found out what is a record', { made: 1, isRanking: true }, 1_000],
])('a campaign with work in store rests %s', (_, facts, ms) => {
  expect(restMsOf({ sinceMs: 1_000, isRanking: false, ...facts })).toBe(ms)
})
