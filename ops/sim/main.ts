/**
 * `npm run sim`: the grid in simulated time. Hosts come, sleep, err, lie and leave; the server's own decisions run on a
 * store in memory (`--pure`) or on the real one. Prints a table; `--json FILE` writes the rows, with `--seeds N` those of N
 * seeds in a row and their medians. The same seed gives the same rows.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { instant } from '#protocol/units.ts'
import { type Clock, type Outcome, type Plan, simulate } from './engine.ts'
import type { Grid } from './grid.ts'
import { pureGrid } from './pure/grid.ts'
import { mediansOf, type Rows, rowsOf } from './rows.ts'
import { sqlGrid } from './sql/grid.ts'
import { loadStrategies } from './strategy.ts'
import { tableOf } from './table.ts'

const START = instant(Date.UTC(2026, 0, 5))
const STEADY_FROM_DAY = 10
// With three times as many cores a volunteer's machine is throttled and used by people: see verifier.ts.
const HOSTS_PER_VERIFIER_CORE = 50
const EXPERIMENTS = 2_000

type Options = ReturnType<typeof optionsOf>

async function main(): Promise<void> {
  const options = optionsOf()
  const all: Record<string, Rows> = {}
  for (let seed = options.seed; seed < options.seed + options.seeds; seed++) {
    const started = performance.now()
    const outcome = await runOnce(await planOf(options, seed), options)
    const seconds = (performance.now() - started) / 1000
    const rows = rowsOf(outcome)
    all[seed] = rows
    console.log(tableOf(rows))
    console.log(`seed ${seed}: ${outcome.calls} calls in ${seconds.toFixed(1)} s\n`)
  }
  const medians = mediansOf(Object.values(all))
  if (options.seeds > 1) console.log(`medians of ${options.seeds} seeds\n${tableOf(medians)}`)
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify({ options, medians, seeds: all }, null, 2)}\n`)
}

/** What was asked for; throws for what makes no sense. */
function optionsOf() {
  const { values } = parseArgs({
    options: {
      pure: { type: 'boolean', default: false },
      seed: { type: 'string', default: '42' },
      seeds: { type: 'string', default: '1' },
      hosts: { type: 'string' },
      days: { type: 'string' },
      strategies: { type: 'string' },
      forgers: { type: 'string', default: '0.05' },
      collusion: { type: 'string', default: '0' },
      rule: { type: 'string', default: 'xeenet' },
      cores: { type: 'string' }, // of the verifier
      experiments: { type: 'string' }, // of a campaign
      json: { type: 'string' },
    },
  })
  if (values.rule !== 'xeenet' && values.rule !== 'boinc') throw new Error('--rule is xeenet or boinc')
  const boinc = values.rule === 'boinc'
  if (boinc && !values.pure) throw new Error('BOINC’s rule runs with --pure only')
  const hosts = Number(values.hosts ?? (values.pure ? 2000 : 200))
  return {
    ...{ pure: values.pure, boinc, hosts },
    ...{ seed: Number(values.seed), seeds: Number(values.seeds) },
    days: Number(values.days ?? (values.pure ? 30 : 3)),
    strategies: values.strategies?.split(','),
    ...{ forgerShare: Number(values.forgers), collusionShare: Number(values.collusion) },
    cores: boinc ? 0 : Number(values.cores ?? Math.max(2, Math.ceil(hosts / HOSTS_PER_VERIFIER_CORE))),
    ...{ experiments: Number(values.experiments ?? EXPERIMENTS), json: values.json },
  }
}

async function planOf(options: Options, seed: number): Promise<Plan> {
  const { hosts, days, forgerShare, collusionShare, cores, experiments } = options
  return {
    ...{ seed, hosts, days, forgerShare, collusionShare, start: START, verifierCores: cores },
    strategies: await loadStrategies(options.strategies),
    steadyFromDay: days > STEADY_FROM_DAY * 1.5 ? STEADY_FROM_DAY : days / 3,
    campaign: { experiments, seeds: 2, quorum: 2 },
  }
}

async function runOnce(plan: Plan, { pure, boinc }: Options): Promise<Outcome> {
  const clock = { now: START }
  if (pure) return simulate(plan, pureGrid({ seed: plan.seed, clock, boinc }), clock)
  return withSql(plan.seed, clock, grid => simulate(plan, grid, clock))
}

async function withSql<T>(seed: number, clock: Clock, use: (grid: Grid) => Promise<T>): Promise<T> {
  const grid = await sqlGrid({ seed, clock })
  try {
    return await use(grid)
  } finally {
    await grid.stop()
  }
}

await main()
