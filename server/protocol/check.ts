/** One thing that was looked at: what was found, and the remedy where it does not do. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  /** `warn`: only some uses need it. */
  readonly level: 'must' | 'warn'
  readonly found: string
  readonly remedy?: string
}

/** A check as a line for people. */
export function checkLine({ ok, level, name, found, remedy }: Check): string {
  const mark = ok ? 'ok  ' : level === 'must' ? 'FAIL' : 'warn'
  return `${mark}  ${name.padEnd(12)} ${found}${ok || remedy === undefined ? '' : `. ${remedy}`}`
}
