import type { Outcome } from './engine.ts'
import type { LiarTally } from './meter.ts'

/** What `npm run sim` prints, as JSON and as a table. Rates are per 10,000 valid work units of the whole grid. */
export interface Rows extends StrategyRows {
  readonly valid_work_units: number
  readonly results_per_valid_work_unit: number // steady state, lost ones and canaries included
  readonly canaries_per_valid_work_unit: number
  readonly checks_per_valid_work_unit: number
  readonly lost_per_valid_work_unit: number
  readonly honest_excluded: number
  readonly dishonest_excluded: number
  readonly ledger_sum: number
  readonly ledger_differences: number
  readonly mean_hosts: number
  readonly open_units: number
  readonly checks: Readonly<Record<string, number>>
  readonly strategies: Readonly<Record<string, StrategyRows>>
  readonly rates: Readonly<Record<string, StrategyRows>>
}

export interface StrategyRows {
  readonly wrong_final_per_10000: number // at the end
  readonly wrong_ever_per_10000: number // ever shown as final
  readonly wrong_provisional_per_10000: number // ever shown as provisional
  readonly wrong_provisional_end_per_10000: number
  readonly wrong_records: number
  readonly forger_net_credit: number // milli-credits
  /** The same without counting as a loss what a lie had earned and was taken back. */
  readonly forger_net_credit_strict: number
  readonly reports: number
  readonly lies: number
  readonly excluded: number
  /** Lies told before one did not prevail; -1: all did, or there were none. */
  readonly lies_until_caught: number
}

export function rowsOf({ tally, ending, meanHosts }: Outcome): Rows {
  const liars = [...tally.perLiar.values()]
  const valid = tally.validUnits
  const { replicas, checks, canaries, lost } = tally.leases
  const perUnit = (count: number): number => rounded(count / tally.validSteady)
  const forgers = summed(
    liars.filter(({ strategy }) => strategy !== 'flaky'),
    valid,
  )
  return {
    ...summed(liars, valid),
    forger_net_credit: forgers.forger_net_credit,
    forger_net_credit_strict: forgers.forger_net_credit_strict,
    valid_work_units: valid,
    results_per_valid_work_unit: perUnit(replicas + checks + canaries),
    canaries_per_valid_work_unit: perUnit(canaries),
    checks_per_valid_work_unit: perUnit(checks),
    lost_per_valid_work_unit: perUnit(lost),
    honest_excluded: tally.honestExcluded,
    dishonest_excluded: tally.dishonestExcluded,
    ledger_sum: ending.ledgerSumMilli,
    ledger_differences: ending.ledgerDifferences,
    mean_hosts: Math.round(meanHosts),
    open_units: ending.openUnits.length,
    checks: ending.checksFor,
    strategies: grouped(liars, valid, ({ strategy }) => strategy),
    rates: grouped(liars, valid, ({ strategy, rate }) => `${strategy} ${rate * 100} %`),
  }
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000

/** Figure by figure over several seeds; a strategy that a seed lacks counts there as nothing. */
export function mediansOf(all: readonly Rows[]): Rows {
  const [first] = all
  if (first === undefined) throw new Error('there is at least one seed')
  const { checks: _checks, strategies: _strategies, rates: _rates, ...grid } = first
  const groups = (of: (rows: Rows) => Rows['strategies']) => {
    const names = [...new Set(all.flatMap(rows => Object.keys(of(rows))))].sort()
    return Object.fromEntries(
      names.map(name => [
        name,
        medianEach(
          NOTHING,
          all.map(rows => of(rows)[name] ?? NOTHING),
        ),
      ]),
    )
  }
  return {
    ...medianEach(grid, all),
    ...{ checks: {}, strategies: groups(rows => rows.strategies), rates: groups(rows => rows.rates) },
  }
}

function medianEach<Row extends Readonly<Record<keyof Row, number>>>(shape: Row, rows: readonly Row[]): Row {
  const result = { ...shape }
  for (const name in shape) {
    const sorted = rows.map(row => row[name]).sort((a, b) => a - b)
    result[name] = sorted[Math.floor(sorted.length / 2)] ?? result[name]
  }
  return result
}

function grouped(
  liars: readonly LiarTally[],
  valid: number,
  nameOf: (liar: LiarTally) => string,
): Record<string, StrategyRows> {
  const names = [...new Set(liars.map(nameOf))].sort()
  return Object.fromEntries(
    names.map(name => [
      name,
      summed(
        liars.filter(liar => nameOf(liar) === name),
        valid,
      ),
    ]),
  )
}

function summed(liars: readonly LiarTally[], valid: number): StrategyRows {
  const sum = (field: (liar: LiarTally) => number): number => liars.reduce((total, l) => total + field(l), 0)
  const per10000 = (field: (liar: LiarTally) => number): number => rounded((sum(field) / valid) * 10_000)
  return {
    wrong_final_per_10000: per10000(l => l.wrongFinal),
    wrong_ever_per_10000: per10000(l => l.wrongEver),
    wrong_provisional_per_10000: per10000(l => l.wrongProvisional),
    wrong_provisional_end_per_10000: per10000(l => l.wrongProvisionalEnd),
    wrong_records: sum(l => l.wrongRecords),
    forger_net_credit: sum(l => l.keptMilli - l.forfeitedMilli),
    forger_net_credit_strict: sum(l => l.keptMilli - l.forfeitedTrueMilli),
    reports: sum(l => l.reports),
    lies: sum(l => l.lies),
    excluded: sum(l => l.excluded),
    lies_until_caught: Math.max(-1, ...liars.map(l => l.liesUntilCaught ?? -1)),
  }
}

const NOTHING: StrategyRows = summed([], 1)
