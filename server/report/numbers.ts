/** Four significant digits at least, four decimals at most: what seeds scatter is rarely below. */
export const number = (value: number | null): string => {
  if (value === null) return '—'
  if (value !== 0 && (Math.abs(value) < 0.001 || Math.abs(value) >= 1e6)) return value.toExponential(2)
  return value.toFixed(4)
}

/** `1.7320 ± 0.0040 (n = 3)`: never a mean without its n, and no interval where there is none. */
export function mean(
  of: { readonly mean: number | null; readonly ci95: number | null; readonly n: number } | null,
): string {
  if (of === null || of.mean === null) return '— (n = 0)'
  return `${number(of.mean)}${of.ci95 === null ? '' : ` ± ${number(of.ci95)}`} (n = ${of.n})`
}

export const gfuel = (fuel: number | null): string =>
  fuel === null ? '—' : `${(fuel / 1e9).toFixed(2)} Gfuel`
export const credits = (milli: number): string => (milli / 1000).toFixed(3)
export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`
