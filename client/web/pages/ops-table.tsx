import { call, token } from '../bearer.tsx'
import { type Resource, useResource } from '../data.ts'
import { query } from '../router.ts'

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

/** Columns of numbers. */
export const numbers = (...names: readonly string[]) => names.map(name => ({ name, isNumber: true }))

/** The way to older rows of a list that comes page by page. */
export function Older({ after }: { after: string | null }) {
  if (after === null) return null
  const next = new URLSearchParams(query.value)
  next.set('after', after)
  return <a href={`/ops?${next}`}>Older</a>
}
