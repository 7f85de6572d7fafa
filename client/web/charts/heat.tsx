import { Table } from '../ui/table.tsx'

/** A cell of a heat map: its words, and how deep its colour is. */
export interface HeatCell {
  readonly text: string
  /** 0 to 1; null: nothing is there. */
  readonly depth: number | null
  readonly title: string
}

interface HeatProps {
  readonly label: string
  /** What the columns are, and what the rows are. */
  readonly names: readonly [x: string, y: string]
  readonly columns: readonly string[]
  readonly rows: readonly string[]
  readonly cell: (column: number, row: number) => HeatCell
}

// So much of the colour at most that ink stays readable on it, in both themes.
const TINT_PERCENT = 45

/** Values over two parameters as a table whose cells are the deeper in colour the more there is; the values stand in it. */
export function HeatMap({ label, names: [x, y], columns, rows, cell }: HeatProps) {
  return (
    <div class="heat">
      <Table
        whole
        label={label}
        columns={[{ name: `${y} ╲ ${x}`, heads: true }, ...columns.map(name => ({ name, isNumber: true }))]}
        rows={rows.map((name, row) => ({
          key: name,
          cells: [name, ...columns.map((_, column) => <Tinted key={column} of={cell(column, row)} />)],
        }))}
      />
    </div>
  )
}

function Tinted({ of: { text, depth, title } }: { of: HeatCell }) {
  const share = Math.round(TINT_PERCENT * (depth ?? 0))
  const background = `color-mix(in oklab, var(--series-1) ${share}%, var(--surface))`
  return (
    <span title={title} style={depth === null ? {} : { background }}>
      {text}
    </span>
  )
}

/** Where each value lies between the least and the greatest, 0 to 1; `deepest` says which of the two is 1. */
export function depthsOf(
  values: readonly (number | null)[],
  deepest: 'least' | 'greatest',
): (value: number | null) => number | null {
  const known = values.filter(value => value !== null)
  const [low, high] = [Math.min(...known), Math.max(...known)]
  return value => {
    if (value === null) return null
    const share = high === low ? 0.5 : (value - low) / (high - low)
    return deepest === 'greatest' ? share : 1 - share
  }
}
