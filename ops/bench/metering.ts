import { readFile } from 'node:fs/promises'
import { readRelease } from '#kernels/package.ts'
import { importDataset } from '#server/data/import.ts'
import { endlessFill } from '#support/hostile.ts'
import { admitted, startKernel } from '#support/kernel-modules.ts'
import { endlessArithmetic } from '#support/workloads.ts'
import { moduleOf, run } from '../../test/assembly/drive.ts'
import type { Figure } from '../figures.ts'
import { builtKernel } from '../kernels/build.ts'
import { cpuMs } from './clock.ts'
import { median, round } from './spread.ts'

const ROUNDS = 7
const UPDATES = 100
const FILL_BUDGET = 2_000_000_000

/** What admission's rewriting costs: each a ratio of two things timed in turn in one process. */
export const meteringFigures = async (): Promise<readonly Figure[]> => [
  await meteringOverhead(),
  fillsAgainstArithmetic(),
]

/** Time of a training run of the admitted module over that of the unmetered one, less one. */
async function meteringOverhead(): Promise<Figure> {
  const raw = await moduleOf('charlm')
  const { file } = await builtKernel('charlm')
  const release = await readRelease(await readFile(file))
  if (!release.ok) throw new Error(`${file}: ${release.code}`)
  const { manifest, files } = await importDataset('sotu-small@1')
  const bytesOf = (name: string): Uint8Array => {
    const split = manifest.splits.find(each => each.name === name)
    const bytes = split && files.get(split.sha256)
    if (bytes === undefined) throw new Error(`no split ${name}`)
    return bytes
  }
  const inputs = { train: bytesOf('train'), val: bytesOf('val') }
  const job = { recipe: { width: 64, depth: 2, context: 64 }, limit: { updates: UPDATES } }
  const ratio = await medianRatio(
    () => run(release.release.module, job, inputs),
    () => run(raw, job, inputs),
  )
  return { name: 'metering.overhead', value: round(100 * (ratio - 1), 1), unit: '%', reference: 5 }
}

/** Time in which endless fills of 256 MiB burn a budget, over that of arithmetic that no compiler removes. */
function fillsAgainstArithmetic(): Figure {
  const [fills, sums] = [admitted(endlessFill()), admitted(endlessArithmetic())]
  const starve = (module: Uint8Array): number => {
    const kernel = startKernel(module, FILL_BUDGET)
    const start = cpuMs()
    try {
      kernel.call('xee_step', 0n)
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) return cpuMs() - start
      throw error
    }
    throw new Error('an endless loop ended')
  }
  const ratios = Array.from({ length: ROUNDS }, () => starve(fills) / starve(sums))
  return { name: 'metering.fill_vs_arithmetic', value: round(median(ratios)), unit: 'ratio', reference: 2 }
}

async function medianRatio(a: () => Promise<unknown>, b: () => Promise<unknown>): Promise<number> {
  const timed = async (what: () => Promise<unknown>): Promise<number> => {
    const start = cpuMs()
    await what()
    return cpuMs() - start
  }
  await timed(a)
  await timed(b)
  const ratios: number[] = []
  for (let round = 0; round < ROUNDS; round++) ratios.push((await timed(a)) / (await timed(b)))
  return median(ratios)
}
