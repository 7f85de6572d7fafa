import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { Scroll } from './parts.tsx'

export interface Column {
  /** What the order calls it, and what stands above it where it has no other title. */
  readonly name: string
  readonly title?: string
  /** Numbers stand to the right. */
  readonly isNumber?: boolean
  /** Its head orders the rows. */
  readonly sorts?: boolean
  /** Its cells say what their row is of. */
  readonly heads?: boolean
}

export interface TableRow {
  readonly key: string | number
  readonly cells: readonly ComponentChildren[]
  /** The reader's own. */
  readonly isCurrent?: boolean
}

/** Rows that are made when they are in sight, however many there are. All are equally high: nothing in them wraps. */
export interface LongRows {
  readonly count: number
  readonly row: (i: number) => TableRow
}

/** By which column rows are ordered, a minus in front turning it, and what is told when a head is pressed. */
interface Order {
  readonly by: string
  readonly onOrder: (by: string) => void
}

interface TableProps {
  readonly label: string
  readonly columns: readonly (Column | string)[]
  readonly rows: readonly TableRow[] | LongRows
  readonly order?: Order
  /** Columns that say something only side by side: a phone scrolls through them. */
  readonly whole?: boolean
}

// On a phone: what a row is, and the figure it is there for. The rest comes when it is asked for.
const FIRST_COLUMNS = 4

/** A table: its head may order it, a long one keeps only the rows in sight in the document, and a phone shows its first columns first. */
export function Table({ label, columns: named, rows, order, whole = false }: TableProps) {
  const isWide = useSignal(false)
  const columns = named.map(column => (typeof column === 'string' ? { name: column } : column))
  const more = whole ? 0 : columns.length - FIRST_COLUMNS
  const head = <Head columns={columns} order={order} />
  return (
    <>
      {more > 0 && (
        <button
          type="button"
          class="quiet columns"
          aria-expanded={isWide.value}
          onClick={() => (isWide.value = !isWide.value)}
        >
          {isWide.value ? 'First columns only' : `${more} more ${more === 1 ? 'column' : 'columns'}`}
        </button>
      )}
      <div class={more > 0 && !isWide.value ? 'first-columns' : undefined}>
        {'count' in rows ? (
          <InSight label={label} columns={columns} rows={rows} head={head} />
        ) : (
          <Scroll label={label}>
            <table>
              {head}
              <tbody>
                {rows.map(row => (
                  <Row key={row.key} columns={columns} of={row} />
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </div>
    </>
  )
}

function Head({ columns, order }: { columns: readonly Column[]; order: Order | undefined }) {
  return (
    <thead>
      <tr>
        {columns.map((column, i) =>
          order !== undefined && column.sorts === true ? (
            <Sorting key={i} column={column} {...order} />
          ) : (
            <th key={i} class={classOf(column)}>
              {column.title ?? column.name}
            </th>
          ),
        )}
      </tr>
    </thead>
  )
}

function Sorting({ column, by, onOrder }: { column: Column } & Order) {
  const { name, title = name } = column
  const is = by === name ? 'ascending' : by === `-${name}` ? 'descending' : 'none'
  return (
    <th class={classOf(column)} aria-sort={is}>
      <button type="button" onClick={() => onOrder(is === 'ascending' ? `-${name}` : name)}>
        {title}
        {is === 'ascending' ? ' ↑' : is === 'descending' ? ' ↓' : ''}
      </button>
    </th>
  )
}

interface RowProps {
  readonly columns: readonly Column[]
  readonly of: TableRow
  /** Of all, from 0, where the document has some of them only. */
  readonly index?: number
}

function Row({ columns, of: { cells, isCurrent }, index }: RowProps) {
  const place = index === undefined ? {} : { 'aria-rowindex': index + 2, 'data-row': index }
  return (
    <tr {...place} {...(isCurrent === true ? { 'aria-current': 'true' as const } : {})}>
      {columns.map((column, i) =>
        column.heads === true ? (
          <th key={i} scope="row">
            {cells[i]}
          </th>
        ) : (
          <td key={i} class={classOf(column)}>
            {cells[i]}
          </td>
        ),
      )}
    </tr>
  )
}

const classOf = ({ isNumber }: Column): string | undefined => (isNumber === true ? 'n' : undefined)

const HEIGHT = 420 // as `.window` has it
const ROWS_AROUND = 8

interface InSightProps {
  readonly label: string
  readonly columns: readonly Column[]
  readonly rows: LongRows
  readonly head: ComponentChildren
}

/** A long table: room for all rows, and those in sight. */
function InSight({ label, columns, rows: { count, row }, head }: InSightProps) {
  const top = useSignal(0)
  const rowPx = useSignal(28)
  useEffect(() => {
    const token = getComputedStyle(document.documentElement).getPropertyValue('--row')
    rowPx.value = Number.parseFloat(token) || rowPx.value
  }, [rowPx])
  const first = Math.max(0, Math.min(Math.floor(top.value / rowPx.value), count - 1) - ROWS_AROUND)
  const last = Math.min(count, first + Math.ceil(HEIGHT / rowPx.value) + 2 * ROWS_AROUND)
  return (
    <Scroll
      label={label}
      onTop={px => {
        top.value = px
      }}
    >
      <table aria-rowcount={count + 1}>
        {head}
        <tbody>
          <Room of={first * rowPx.value} columns={columns.length} />
          {Array.from({ length: Math.max(0, last - first) }, (_, k) => first + k).map(i => {
            const made = row(i)
            return <Row key={made.key} columns={columns} of={made} index={i} />
          })}
          <Room of={(count - last) * rowPx.value} columns={columns.length} />
        </tbody>
      </table>
    </Scroll>
  )
}

const Room = ({ of: px, columns }: { of: number; columns: number }) =>
  px === 0 ? null : (
    <tr>
      <td colSpan={columns} style={{ height: `${px}px`, padding: 0, border: 0 }} />
    </tr>
  )
