import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { Table } from '../ui/table.tsx'

/** What a chart shows, as rows: for who cannot or will not look at it. */
export interface Twin {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number | null)[])[]
}

interface FigureProps {
  /** Of the file that CSV gives. */
  readonly name: string
  /** One sentence that says what the chart shows. */
  readonly sentence: ComponentChildren
  /** Made when somebody asks for it. */
  readonly twin: () => Twin
  readonly children: ComponentChildren
}

/** A chart with its sentence, its table and its CSV. */
export function Figure({ name, sentence, twin, children }: FigureProps) {
  const open = useSignal(false)
  return (
    <figure>
      {children}
      <figcaption>
        {sentence} <Csv name={name} twin={twin} />
        <details onToggle={event => (open.value = event.currentTarget.open)}>
          <summary>Table</summary>
          {open.value && <TwinTable label={name} of={twin()} />}
        </details>
      </figcaption>
    </figure>
  )
}

/** Gives a table as a file. */
export const Csv = ({ name, twin }: Pick<FigureProps, 'name' | 'twin'>) => (
  <button type="button" class="quiet" onClick={() => save(`${name}.csv`, csv(twin()))}>
    CSV
  </button>
)

// More rows than anybody scrolls through cost seconds when all are in the document.
const LONG = 200

/** The same, as a table of the page. */
export function TwinTable({ label, of: { columns, rows }, shown = String }: TwinTableProps) {
  const row = (i: number) => ({
    key: i,
    cells: (rows[i] ?? []).map((cell, c) => (cell === null ? '' : shown(cell, columns[c] ?? ''))),
  })
  const heads = columns.map((name, c) => ({ name, isNumber: typeof rows[0]?.[c] === 'number' }))
  const made = rows.length > LONG ? { count: rows.length, row } : rows.map((_, i) => row(i))
  return <Table label={label} columns={heads} rows={made} />
}

interface TwinTableProps {
  readonly label: string
  readonly of: Twin
  /** How a cell is written. */
  readonly shown?: (cell: string | number, column: string) => string
}

// A cell that begins like a formula is one in a spreadsheet: the apostrophe keeps it text.
const quoted = (cell: string | number | null): string => {
  const text = String(cell ?? '')
  const safe = typeof cell === 'string' && /^[=+\-@]/.test(text) ? `'${text}` : text
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** RFC 4180 text of a table. */
export const csv = ({ columns, rows }: Twin): string =>
  [columns, ...rows].map(row => `${row.map(quoted).join(',')}\r\n`).join('')

/** Gives a file to the reader. */
export function save(name: string, content: BlobPart, type = 'text/csv'): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([content], { type }))
  link.download = name
  link.click()
  URL.revokeObjectURL(link.href)
}
