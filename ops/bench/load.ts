// A short form of `npm run load`, beside what it cost when it was last recorded.

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Figure } from '../figures.ts'

const Rows = z.array(z.object({ name: z.string(), value: z.number(), unit: z.string() }))
const BASELINE = join(import.meta.dirname, 'load-baseline.json')
const ARGS = ['--seconds', '20', '--warmup', '5', '--hosts', '200', '--connections', '16']
const run = promisify(execFile)

/** Processor time and log of a published result are firm; rates are those of an idle machine. */
export async function loadFigures(): Promise<Figure[]> {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-bench-load-'))
  try {
    const json = join(dir, 'rows.json')
    await run(process.execPath, [join(import.meta.dirname, '../load/main.ts'), ...ARGS, '--json', json])
    const rows = Rows.parse(JSON.parse(await readFile(json, 'utf8')))
    const baseline = Rows.parse(JSON.parse(await readFile(BASELINE, 'utf8')))
    return rows.map(({ name, value, unit }) => {
      const reference = baseline.find(row => row.name === name)?.value
      const known = reference === undefined || reference === 0 ? {} : { reference, ratio: value / reference }
      return { name: `load.${name}`, value, unit, ...known }
    })
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
