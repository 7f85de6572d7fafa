import { expect, test } from 'vitest'
import { viewTests } from '#http/tests.ts'
import { CampaignFile } from '#protocol/campaign.ts'
import { CampaignId, type ExperimentId } from '#protocol/units.ts'
import { T0, testIds } from '#support/builders.ts'
import { fileOf } from '#support/spaces.ts'

test('a test with a side that the leaderboard withholds tells neither its pairs nor its verdict', () => {
  const [incumbent, challenger] = [testIds.experiment(T0), testIds.experiment(T0)]
  const row = {
    ...{ number: 1, incumbent, challenger, firstSeed: 2, pairsAsked: 5, deviation: 0.1, lower: -3, upper: 3 },
    ...{ state: 'promoted' as const, gains: [0.2, 0.3], llr: 4, startedAt: T0, decidedAt: T0 },
  }
  const run = {
    experimentId: incumbent,
    recipeKey: '',
    baseline: true,
    seedIndex: 0,
    state: 'ok' as const,
    value: 3,
  }
  const campaign = {
    id: CampaignId.parse(testIds.campaign(T0)),
    file: CampaignFile.parse({
      ...fileOf({ space: { lr: { log: [0.001, 0.1] } }, sampler: { name: 'tpe' } }),
      ...{ stop: { sprt: { effect: 0.1 } }, replicate: { seeds: 2 } },
    }),
  }
  const viewOf = (withheld: readonly ExperimentId[]) =>
    viewTests(campaign, { tests: [row], runs: [run], withheld: new Set(withheld) })
  expect(viewOf([])).toMatchObject({ incumbent: challenger, tests: [{ state: 'promoted', llr: 4 }] })
  const untold = { state: 'running', gain: null, llr: 0, decidedAt: null, challenger }
  for (const side of [incumbent, challenger])
    expect(viewOf([side])).toMatchObject({ incumbent, tests: [untold] })
})
