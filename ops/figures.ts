import { writeFile } from 'node:fs/promises'

/** One measured or counted figure, as programs read it. */
export interface Figure {
  readonly name: string
  readonly value: number | string | boolean
  readonly unit: string
  readonly reference?: number
  readonly ratio?: number
  /** The least and the greatest of the rounds whose median `value` is. */
  readonly low?: number
  readonly high?: number
}

/** Writes figures as a JSON array, one row a line, when `--json FILE` was given. */
export async function writeFigures(file: string | undefined, figures: readonly Figure[]): Promise<void> {
  if (file === undefined) return
  const rows = figures.map(figure => `  ${JSON.stringify(figure)}`)
  await writeFile(file, `[\n${rows.join(',\n')}\n]\n`)
}

/** The same figures as `key: value` lines. */
export const block = (figures: readonly Figure[]): string =>
  figures.map(({ name, value }) => `${name}: ${shown(value)}`).join('\n')

const shown = (value: Figure['value']): string =>
  typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)
