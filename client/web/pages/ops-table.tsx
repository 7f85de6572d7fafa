import type { ComponentChildren } from 'preact'
import { call, token } from '../bearer.tsx'
import { type Resource, useResource } from '../data.ts'
import { query } from '../router.ts'
import { Scroll } from '../ui/parts.tsx'

/** A list of the operator's API, with what the address says of its filter. */
export function useList<T>(path: string, names: readonly string[] = []): Resource<T> {
  const asked = new URLSearchParams()
  for (const name of names) {
    const value = query.value.get(name)
    if (value !== null && value !== '') asked.set(name, value)
  }
  const text = asked.size === 0 ? '' : `?${asked}`
  return useResource(`${token.value} ${path}${text}`, () => call<T>('GET', `/operator${path}${text}`))
}

interface TableProps {
  readonly label: string
  readonly columns: readonly string[]
  readonly rows: readonly { readonly key: string; readonly cells: readonly ComponentChildren[] }[]
}

export const Table = ({ label, columns, rows }: TableProps) => (
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
        {rows.map(({ key, cells }) => (
          <tr key={key}>
            {cells.map((cell, i) => (
              <td key={columns[i]}>{cell}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  </Scroll>
)

/** The way to older rows of a list that comes page by page. */
export function Older({ after }: { after: string | null }) {
  if (after === null) return null
  const next = new URLSearchParams(query.value)
  next.set('after', after)
  return <a href={`/ops?${next}`}>Older</a>
}
