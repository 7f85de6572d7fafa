/**
 * `npm run sim`: the grid in simulated time. Hosts come, sleep, err, lie and leave; the server's own decisions run on a
 * store in memory (`--pure`) or on the real one. Prints a table; `--json FILE` writes the rows. The same seed gives the
 * same rows.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { instant } from '#protocol/units.ts'
import { type Clock, type Plan, simulate } from './engine.ts'
import type { Grid } from './grid.ts'
import { pureGrid } from './pure/grid.ts'
import { rowsOf } from './rows.ts'
import { sqlGrid } from './sql/grid.ts'
import { loadStrategies } from './strategy.ts'
import { tableOf } from './table.ts'

const START = instant(Date.UTC(2026, 0, 5))

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      pure: { type: 'boolean', default: false },
      seed: { type: 'string', default: '42' },
      hosts: { type: 'string' },
      days: { type: 'string' },
      strategies: { type: 'string' },
      forgers: { type: 'string', default: '0.05' },
      collusion: { type: 'string', default: '0' },
      rule: { type: 'string', default: 'xeenet' },
      cores: { type: 'string' },
      experiments: { type: 'string' },
      'plain-checks': { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  })
  if (values.rule !== 'xeenet' && values.rule !== 'boinc') throw new Error('--rule is xeenet or boinc')
  const boinc = values.rule === 'boinc'
  if (boinc && !values.pure) throw new Error('BOINC’s rule runs with --pure only')
  const names = values.strategies?.split(',')
  const hosts = Number(values.hosts ?? (values.pure ? 2000 : 200))
  const days = Number(values.days ?? (values.pure ? 30 : 3))
  const plan = planOf(Number(values.experiments ?? EXPERIMENTS), {
    ...{ seed: Number(values.seed), hosts, days, strategies: await loadStrategies(names) },
    ...{ forgerShare: Number(values.forgers), collusionShare: Number(values.collusion) },
    verifierCores: boinc
      ? 0
      : Number(values.cores ?? Math.max(2, Math.ceil(hosts / HOSTS_PER_VERIFIER_CORE))),
  })
  const clock = { now: START }
  const started = performance.now()
  const outcome = values.pure
    ? await simulate(
        plan,
        pureGrid({ seed: plan.seed, clock, boinc, plainChecks: boinc || values['plain-checks'] }),
        clock,
      )
    : await withSql(plan.seed, clock, grid => simulate(plan, grid, clock))
  const seconds = (performance.now() - started) / 1000
  const rows = rowsOf(outcome)
  console.log(tableOf(rows))
  console.log(`seed ${plan.seed}: ${outcome.calls} calls in ${seconds.toFixed(1)} s`)
  if (values.json !== undefined)
    await writeFile(values.json, `${JSON.stringify({ ...values, seconds, ...rows }, null, 2)}\n`)
}

async function withSql<T>(seed: number, clock: Clock, use: (grid: Grid) => Promise<T>): Promise<T> {
  const grid = await sqlGrid({ seed, clock })
  try {
    return await use(grid)
  } finally {
    await grid.stop()
  }
}

const STEADY_FROM_DAY = 10
const HOSTS_PER_VERIFIER_CORE = 125

const EXPERIMENTS = 2_000

function planOf(experiments: number, given: Omit<Plan, 'start' | 'steadyFromDay' | 'campaign'>): Plan {
  return {
    ...given,
    start: START,
    steadyFromDay: given.days > STEADY_FROM_DAY * 1.5 ? STEADY_FROM_DAY : given.days / 3,
    campaign: { experiments, seeds: 2, quorum: 2 },
  }
}

await main()
