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

/** Prints figures as a table and writes them as `writeFigures` does; exit status 1 if one is above its reference. */
export async function holdAgainstReferences(
  figures: readonly Figure[],
  file: string | undefined,
): Promise<void> {
  console.table(
    figures.map(({ name, value, unit, reference, ratio }) => ({ name, value, unit, reference, ratio })),
  )
  await writeFigures(file, figures)
  const missed = figures.filter(({ value, reference = Infinity }) => Number(value) > reference)
  for (const { name, value, reference } of missed) console.log(`missed: ${name} ${value} > ${reference}`)
  if (missed.length > 0) process.exitCode = 1
}

/** The same figures as `key: value` lines. */
export const block = (figures: readonly Figure[]): string =>
  figures.map(({ name, value }) => `${name}: ${shown(value)}`).join('\n')

const shown = (value: Figure['value']): string =>
  typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)
