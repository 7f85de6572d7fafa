import { describe, expect, test } from 'vitest'
import { type Outcome, type Plan, simulate } from '#ops/sim/engine.ts'
import { pureGrid } from '#ops/sim/pure/grid.ts'
import { rowsOf } from '#ops/sim/rows.ts'
import { loadStrategies } from '#ops/sim/strategy.ts'
import { instant } from '#protocol/units.ts'

const START = instant(Date.UTC(2026, 0, 5))

/** Sixty hosts for three days, every sixth of them dishonest, so that each kind is there. */
async function run(changes: Partial<Plan> = {}, boinc = false): Promise<Outcome> {
  const plan: Plan = {
    ...{ seed: 42, hosts: 60, days: 3, start: START, steadyFromDay: 1, verifierCores: 4 },
    ...{ forgerShare: 0.17, collusionShare: 0, strategies: await loadStrategies() },
    campaign: { experiments: 250, seeds: 2, quorum: 2 },
    ...changes,
  }
  const clock = { now: START }
  return simulate(plan, pureGrid({ seed: plan.seed, clock, boinc }), clock)
}

describe('the grid in simulated time', async () => {
  const outcome = await run()
  const rows = rowsOf(outcome)

  test('does some work', () => {
    expect(rows.valid_work_units).toBeGreaterThan(500)
    expect(rows.reports).toBeGreaterThan(100)
    expect(rows.lies).toBeGreaterThan(20)
  })

  test('the ledger adds up to nothing', () => {
    expect(rows.ledger_sum).toBe(0)
    expect(rows.ledger_differences).toBe(0)
  })

  test('no wrong result ever stands as a record', () => expect(rows.wrong_records).toBe(0))

  test('every unit has ended or waits for something', () => {
    expect(outcome.ending.openUnits.filter(({ why }) => why === '')).toEqual([])
  })

  test('no honest host is excluded, and forgers who always lie are', () => {
    expect(rows.honest_excluded).toBe(0)
    expect(rows.rates['forger 100 %']?.lies).toBeGreaterThan(0)
    expect(rows.rates['forger 100 %']?.excluded).toBeGreaterThan(0)
    expect(rows.rates['forger 100 %']?.wrong_final_per_10000).toBe(0)
  })

  test('the same seed gives the same rows, another seed others', async () => {
    expect(rowsOf(await run())).toEqual(rows)
    expect(rowsOf(await run({ seed: 43 }))).not.toEqual(rows)
  })

  test('a new strategy is found by its name, an unknown one is refused', async () => {
    expect((await loadStrategies(['honest', 'lazy'])).map(({ name }) => name)).toEqual(['honest', 'lazy'])
    await expect(loadStrategies(['nobody'])).rejects.toThrow('no strategy nobody')
  })

  test('BOINC’s rule leaves wrong results standing where ours does not', async () => {
    const theirs = rowsOf(await run({ days: 6, verifierCores: 0 }, true))
    expect(theirs.ledger_sum).toBe(0)
    expect(theirs.wrong_final_per_10000).toBeGreaterThan(rows.wrong_final_per_10000)
  })
})
