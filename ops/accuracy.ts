/**
 * `npm run accuracy`: what the kernels beside charlm learn, against what they must, and what metering costs them.
 * `-- vision`: Fashion-MNIST, where the Debian package dataset-fashion-mnist is installed (`--directory` for another place),
 * test accuracy after 3,000 updates, the worst of three seeds. `-- cartpole`: the median return of ten seeds at 20 Gfuel.
 * `-- metering`: CPU time of a run of the admitted module over that of the unmetered one, less one. Nothing named: all three.
 * `--json FILE` writes the rows for programs. V8's baseline compiler is off, as in the client.
 */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readDirectory } from '#server/admin-datasets.ts'
import { importDataset } from '#server/data/import.ts'
import {
  type AnyJob,
  type AnyKernel,
  beginRun,
  kernelOf,
  meteredOf,
  runAny,
} from '../test/assembly/any-kernel.ts'
import { drive } from '../test/assembly/drive.ts'
import { median, round } from './bench/spread.ts'
import { type Figure, writeFigures } from './figures.ts'

const UPDATES = 3_000
const VISION_SEEDS = [1, 2, 3]
const CARTPOLE_SEEDS = Array.from({ length: 10 }, (_, i) => i + 1)
const CARTPOLE_FUEL = 20e9
const ROUNDS = 15

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
  const figures = [
    ...(isWanted('vision') ? await classify(values.directory) : []),
    ...(isWanted('cartpole') ? [await balance()] : []),
    ...(isWanted('metering') ? await meteringOverheads() : []),
  ]
  console.table(figures.map(({ name, value, unit, reference }) => ({ name, value, unit, reference })))
  await writeFigures(values.json, figures)
  if (figures.some(isMissed)) process.exitCode = 1
}

/** Costs must be below their reference, the rest above. */
const isMissed = ({ value, unit, reference = 0 }: Figure): boolean =>
  unit === '%' ? Number(value) > reference : Number(value) < reference

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
    for (const seed of VISION_SEEDS) {
      const job = { recipe, seed, limit: { updates: UPDATES } }
      accuracies.push(await testAccuracy(kernel, job, { train, val, test }))
    }
    console.log(`${name}: test accuracy ${accuracies.join(', ')} (seeds ${VISION_SEEDS.join(', ')})`)
    figures.push({ name: `vision.${name}.accuracy`, value: Math.min(...accuracies), unit: 'of 1', reference })
  }
  return figures
}

/** Trains, and evaluates the weights on the test split by the kernel's own second task. */
async function testAccuracy(
  { manifest, raw }: AnyKernel,
  job: AnyJob,
  { train, val, test }: Record<'train' | 'val' | 'test', Uint8Array>,
): Promise<number> {
  const { artifact } = await runAny(raw, manifest, job, [train, val])
  const tested = await runAny(raw, manifest, { ...job, task: 'evaluate' }, [train, test, artifact])
  return round(1 - (tested.said.counters.valError ?? 1), 4)
}

async function balance(): Promise<Figure> {
  const kernel = await kernelOf('cartpole')
  const module = meteredOf(kernel)
  const returns: number[] = []
  for (const seed of CARTPOLE_SEEDS) {
    const job = { seed, limit: { fuel: CARTPOLE_FUEL } }
    const { said, fuelUsed } = await runAny(module, kernel.manifest, job, [])
    returns.push(said.metric?.value ?? 0)
    const share = Math.round((100 * fuelUsed) / CARTPOLE_FUEL)
    console.log(`cartpole, seed ${seed}: ${said.status} ${said.metric?.value}, ${share} % of its fuel`)
  }
  return { name: 'cartpole.return', value: median(returns), unit: 'steps of 200', reference: 190 }
}

async function meteringOverheads(): Promise<Figure[]> {
  const { manifest, files } = await importDataset('shapes@1')
  const slots = manifest.splits.slice(0, 2).map(({ sha256 }) => files.get(sha256) ?? new Uint8Array())
  const runs = [
    { kernel: 'vision', model: 'softmax', updates: 2_000, slots },
    { kernel: 'vision', model: 'mlp', updates: 1_000, slots },
    { kernel: 'vision', model: 'cnn', updates: 60, slots },
    { kernel: 'cartpole', updates: 80, slots: [] },
  ]
  const figures: Figure[] = []
  for (const { kernel: name, model, updates, slots } of runs) {
    const kernel = await kernelOf(name)
    const metered = meteredOf(kernel)
    const job = { ...(model === undefined ? {} : { recipe: { model } }), limit: { updates } }
    const timed = async (module: Uint8Array): Promise<number> => {
      const instance = await beginRun(module, kernel.manifest, job, slots) // compiling is done once, and not timed
      const start = process.cpuUsage() // of this process: neighbours on the machine count less than by the clock
      drive(instance, { limit: job.limit })
      return process.cpuUsage(start).user
    }
    const ratios: number[] = []
    for (let round = 0; round < ROUNDS; round++)
      ratios.push((await timed(metered)) / (await timed(kernel.raw)))
    const of = model === undefined ? name : `${name}.${model}`
    console.log(`${of}: metered / raw ${ratios.map(ratio => ratio.toFixed(3)).join(' ')}`)
    figures.push({
      ...{ name: `metering.${of}`, value: round(100 * (median(ratios) - 1), 1), unit: '%', reference: 5 },
    })
  }
  return figures
}

await main()
