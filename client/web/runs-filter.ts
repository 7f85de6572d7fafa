import type { Leaderboard } from '#protocol/campaign.ts'

/** An experiment as far as it can be filtered and sorted. */
export type Row = Pick<Leaderboard['rows'][number], 'recipe' | 'mean' | 'ci95' | 'n'> & {
  readonly experimentId: string
  readonly rank: number
}

const TERM = /^([a-z_]\w*)\s*(<=|>=|!=|=|<|>)\s*(\S+)$/i

/** Whether a row fits every word of a filter such as `lr>0.001 width=64`; undefined for a word that is no condition. */
export function filterOf(text: string): ((row: Row) => boolean) | undefined {
  const conditions: ((row: Row) => boolean)[] = []
  for (const word of text.split(/\s+/).filter(part => part !== '')) {
    const [, name, operator, wanted] = TERM.exec(word) ?? []
    const holds = ORDERS[operator ?? '']
    if (name === undefined || holds === undefined || wanted === undefined) return undefined
    const order = orderTo(wanted)
    conditions.push(row => {
      const value = cellOf(row, name)
      return value !== null && holds(order(value))
    })
  }
  return row => conditions.every(fits => fits(row))
}

/** What a column of the table says of a row: a parameter, or one of `rank`, `mean`, `ci95`, `n`. */
export function cellOf(row: Row, column: string): string | number | null {
  if (isOwn(column)) return row[column]
  const value = Object.hasOwn(row.recipe, column) ? row.recipe[column] : undefined
  return typeof value === 'boolean' ? String(value) : (value ?? null)
}

const isOwn = (column: string): column is 'rank' | 'mean' | 'ci95' | 'n' =>
  column === 'rank' || column === 'mean' || column === 'ci95' || column === 'n'

/** Below zero, zero or above: what each operator makes of a comparison. */
const ORDERS: Readonly<Record<string, (order: number) => boolean>> = {
  '=': order => order === 0,
  '!=': order => order !== 0,
  '<': order => order < 0,
  '<=': order => order <= 0,
  '>': order => order > 0,
  '>=': order => order >= 0,
}

/** How a value compares with the one that is wanted: as numbers where both are. */
function orderTo(wanted: string): (value: string | number) => number {
  const number = Number(wanted)
  return value =>
    typeof value === 'number' && !Number.isNaN(number) ? value - number : String(value).localeCompare(wanted)
}

/** Rows by a column; a leading minus turns the order. What has no value comes last either way. */
export function sorted<Each extends Row>(rows: readonly Each[], by: string): Each[] {
  const [column, sign] = by.startsWith('-') ? [by.slice(1), -1] : [by, 1]
  return [...rows].sort((a, b) => {
    const [x, y] = [cellOf(a, column), cellOf(b, column)]
    if (x === null || y === null) return Number(x === null) - Number(y === null)
    return (
      sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y)))
    )
  })
}
