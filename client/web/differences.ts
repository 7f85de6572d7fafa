/** A field that two texts say differently; `—` where one says nothing. */
export interface Difference {
  readonly path: string
  readonly from: string
  readonly to: string
}

type Json = unknown

const isRecord = (value: Json): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What differs between two JSON values, field by field; lists are compared as wholes. */
export function differencesOf(before: Json, after: Json, path = ''): readonly Difference[] {
  if (!isRecord(before) || !isRecord(after)) {
    const [from, to] = [textOf(before), textOf(after)]
    return from === to ? [] : [{ path, from, to }]
  }
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap(name =>
    differencesOf(before[name], after[name], path === '' ? name : `${path}.${name}`),
  )
}

const textOf = (value: Json): string => (value === undefined ? '—' : JSON.stringify(value))
