/** `1.7324`: four significant digits after the point's head, as metrics are compared. */
export const metric = (value: number | null): string =>
  value === null
    ? '—'
    : Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.001)
      ? value.toExponential(3)
      : value.toFixed(4)

/** `1.7324 [1.7284, 1.7364]`: a mean with its 95 % interval, where there is one. */
export const interval = ({ mean, ci95 }: { readonly mean: number; readonly ci95: number | null }): string =>
  ci95 === null ? metric(mean) : `${metric(mean)} [${metric(mean - ci95)}, ${metric(mean + ci95)}]`

/** A value of a recipe as a person writes it. */
export const setting = (value: unknown): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value)

export const whole = (value: number): string => value.toLocaleString('en')

/** `1,204 results`; of a noun whose plural is regular. */
export const counted = (n: number, noun: string): string => `${whole(n)} ${noun}${n === 1 ? '' : 's'}`

/** Milli-credits as credits. */
export const credits = (milli: number): string =>
  (milli / 1000).toLocaleString('en', { minimumFractionDigits: 1, maximumFractionDigits: 3 })

/** How long ago, in one unit. */
export function ago(iso: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000))
  return seconds < 5 ? 'just now' : `${span(seconds)} ago`
}

export function span(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86400)} d`
}

/** `lr 0.002 · width 64` */
export const recipeLine = (recipe: Readonly<Record<string, unknown>>): string =>
  Object.entries(recipe)
    .map(([name, value]) => `${name} ${setting(value)}`)
    .join(' · ')
