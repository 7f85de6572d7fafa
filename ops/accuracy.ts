/**
 * `npm run accuracy`: what the kernels beside charlm learn, against what they must. `-- vision` on Fashion-MNIST, where the
 * Debian package dataset-fashion-mnist is installed (`--directory` for another place), test accuracy after 3,000 updates;
 * `-- cartpole` the mean return of ten seeds at 20 Gfuel. Nothing named: both. `--json FILE` writes the rows for programs.
 */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readDirectory } from '#server/admin-datasets.ts'
import { type AnyKernel, kernelOf, runAny } from '../test/assembly/any-kernel.ts'
import { type Figure, writeFigures } from './figures.ts'

const UPDATES = 3_000
const SEEDS = [1, 2, 3]

const CLASSIFIERS = [
  { name: 'softmax', recipe: { model: 'softmax' }, reference: 0.825 },
  { name: 'mlp_128', recipe: { model: 'mlp', depth: 1, width: 128 }, reference: 0.86 },
  { name: 'cnn_8_16', recipe: { model: 'cnn', depth: 0, channels: 8 }, reference: 0.88 },
] as const

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      directory: { type: 'string', default: '/usr/share/datasets/fashion-mnist' },
    },
  })
  const isWanted = (name: string): boolean => positionals.length === 0 || positionals.includes(name)
  const figures = isWanted('vision') ? await classify(values.directory) : []
  console.table(figures.map(({ name, value, unit, reference }) => ({ name, value, unit, reference })))
  await writeFigures(values.json, figures)
  if (figures.some(({ value, reference = 0 }) => Number(value) < reference)) process.exitCode = 1
}

async function classify(directory: string): Promise<Figure[]> {
  if (!existsSync(directory)) {
    console.warn(`SKIPPED vision: no ${directory}. On Debian: apt-get install dataset-fashion-mnist`)
    return []
  }
  const facts = { name: 'fashion-mnist@1', source: 'dataset-fashion-mnist@0', licence: 'MIT', val: 5_000 }
  const { manifest, files } = await readDirectory({ directory, ...facts })
  const [train, val, test] = manifest.splits.map(split => files.get(split.sha256) ?? new Uint8Array())
  if (train === undefined || val === undefined || test === undefined) throw new Error('three splits')
  const kernel = await kernelOf('vision')
  const figures: Figure[] = []
  for (const { name, recipe, reference } of CLASSIFIERS) {
    const accuracies: number[] = []
    for (const seed of SEEDS) {
      const job = { recipe, seed, limit: { updates: UPDATES } }
      accuracies.push(await accuracyOf(kernel, job, [train, val, test]))
    }
    figures.push({ name: `vision.${name}.accuracy`, value: Math.min(...accuracies), unit: 'of 1', reference })
    console.log(`${name}: ${accuracies.join(', ')} (seeds ${SEEDS.join(', ')})`)
  }
  return figures
}

/** Trains, and evaluates the weights on the test split by the kernel's own second task. */
async function accuracyOf(
  { manifest, raw }: AnyKernel,
  job: Parameters<typeof runAny>[2],
  [train, val, test]: readonly [Uint8Array, Uint8Array, Uint8Array],
): Promise<number> {
  const start = performance.now()
  const trained = await runAny(raw, manifest, job, [train, val])
  const tested = await runAny(raw, manifest, { ...job, task: 'evaluate' }, [train, test, trained.artifact])
  const { valError } = tested.said.counters
  console.log(
    JSON.stringify(trained.said.counters),
    trained.said.metric,
    tested.said.metric,
    performance.now() - start,
  )
  return Math.round((1 - (valError ?? 1)) * 10_000) / 10_000
}

await main()
