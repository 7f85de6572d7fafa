import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { Scroll } from './parts.tsx'

interface RowWindowProps {
  readonly label: string
  readonly columns: readonly string[]
  readonly count: number
  readonly row: (i: number) => readonly ComponentChildren[]
}

const HEIGHT = 420
const ROWS_AROUND = 8

/** A table of any length: only the rows in sight are in the document. */
export function RowWindow({ label, columns, count, row }: RowWindowProps) {
  const top = useSignal(0)
  const rowPx = useSignal(28)
  useEffect(() => {
    const token = getComputedStyle(document.documentElement).getPropertyValue('--row')
    rowPx.value = Number.parseFloat(token) || rowPx.value
  }, [rowPx])
  const first = Math.max(0, Math.min(Math.floor(top.value / rowPx.value), count - 1) - ROWS_AROUND)
  const last = Math.min(count, first + Math.ceil(HEIGHT / rowPx.value) + 2 * ROWS_AROUND)
  const spacer = (rows: number) =>
    rows === 0 ? null : (
      <tr>
        <td colSpan={columns.length} style={{ height: `${rows * rowPx.value}px`, padding: 0, border: 0 }} />
      </tr>
    )
  return (
    <Scroll
      label={label}
      onTop={px => {
        top.value = px
      }}
    >
      <table aria-rowcount={count + 1}>
        <thead>
          <tr>
            {columns.map(column => (
              <th key={column} class="n">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {spacer(first)}
          {Array.from({ length: Math.max(0, last - first) }, (_, k) => first + k).map(i => (
            <tr key={i} aria-rowindex={i + 2} data-row={i}>
              {row(i).map((cell, c) => (
                <td key={columns[c]} class="n nowrap">
                  {cell}
                </td>
              ))}
            </tr>
          ))}
          {spacer(count - last)}
        </tbody>
      </table>
    </Scroll>
  )
}
