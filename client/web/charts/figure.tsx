import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { Scroll } from '../ui/parts.tsx'

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

function TwinTable({ label, of: { columns, rows } }: { label: string; of: Twin }) {
  return (
    <Scroll label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(column => (
              <th key={column}>{column}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              {row.map((cell, j) => (
                <td key={columns[j]}>{cell ?? ''}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
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
