import type { Rows, StrategyRows } from './rows.ts'

/** The rows for a terminal: one line a figure, then one line a strategy and rate. */
export function tableOf(rows: Rows): string {
  const { strategies, rates, checks, ...grid } = rows
  const lines = Object.entries(grid).map(([name, value]) => `${name.padEnd(34)} ${value}`)
  const groups = { ...strategies, ...rates }
  const names = Object.keys(groups).sort()
  const width = Math.max(8, ...names.map(name => name.length))
  const head = [''.padEnd(width), ...COLUMNS.map(([title]) => title.padStart(11))].join(' ')
  const body = names.map(name => {
    const row = groups[name]
    const cells = COLUMNS.map(([, of]) => String(row === undefined ? '' : of(row)).padStart(11))
    return [name.padEnd(width), ...cells].join(' ')
  })
  const reasons = Object.entries(checks).map(([reason, count]) => `${reason} ${count}`)
  return [...lines, `checks: ${reasons.join(', ')}`, '', head, ...body].join('\n')
}

const COLUMNS: readonly (readonly [string, (row: StrategyRows) => number])[] = [
  ['final/1e4', row => row.wrong_final_per_10000],
  ['ever/1e4', row => row.wrong_ever_per_10000],
  ['prov/1e4', row => row.wrong_provisional_per_10000],
  ['prov end', row => row.wrong_provisional_end_per_10000],
  ['records', row => row.wrong_records],
  ['net credit', row => Math.round(row.forger_net_credit / 1000)],
  ['net strict', row => Math.round(row.forger_net_credit_strict / 1000)],
  ['reports', row => row.reports],
  ['lies', row => row.lies],
  ['excluded', row => row.excluded],
]
