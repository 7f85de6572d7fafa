/**
 * `npm run bench -- [PART…]`: what kernels cost, as ratios of processor times measured in turn, medians over rounds with the least
 * and the greatest. Parts: `metering`, `gemm`, `step`, `cost`, `denormal`, `onnx`, the native engine, `curve`, `spread` and `calm`, how far its runs lie from the kernel's and from each other, and on which recipes they agree, `tab`, a browser beside the Node client, `sse`, open streams of one server, `page`, a campaign of 10,000 experiments in a browser, `load`, a server under a short load beside what it cost when that was recorded, and `exact`, which compares digests and not times; `kernels` is all that
 * is timed; without a part the quick ones run. `--json FILE` writes the rows for programs, `--rounds N` and `--widths 64,128` bound the time.
 */
import { parseArgs } from 'node:util'
import { type Figure, writeFigures } from '../figures.ts'
import { builtKernel } from '../kernels/build.ts'
import { costFigures } from './costs.ts'
import { denormalFigures } from './denormal.ts'
import { openTwin } from './engines.ts'
import { exactFigures } from './exact.ts'
import { loadFigures } from './load.ts'
import { meteringFigures } from './metering.ts'
import { nativeFigures } from './native.ts'
import { calmFigures } from './native-calm.ts'
import { curveFigures } from './native-curve.ts'
import { spreadFigures } from './native-spread.ts'
import { pageFigures } from './page.ts'
import { productFigures } from './products.ts'
import { streamFigures } from './sse.ts'
import { tabFigures } from './tab.ts'
import { updateFigures } from './updates.ts'

interface Bench {
  /** The release of charlm. */
  readonly release: string
  readonly widths: readonly number[]
  readonly rounds: number
}

type Part = (bench: Bench) => Promise<readonly Figure[]>

const PARTS: Readonly<Record<string, Part>> = {
  metering: meteringFigures,
  gemm: ({ rounds }) => productFigures(rounds),
  step: bench => withTwin(twin => updateFigures(twin, bench)),
  cost: costFigures,
  denormal: ({ rounds }) => denormalFigures(rounds),
  exact: exactFigures,
  tab: tabFigures,
  sse: streamFigures,
  page: pageFigures,
  onnx: bench => withTwin(twin => nativeFigures(twin, bench)),
  load: loadFigures,
  curve: () => curveFigures(),
  spread: () => spreadFigures(),
  calm: () => calmFigures(),
}
const KERNELS = ['metering', 'gemm', 'step', 'cost', 'denormal']
const QUICK = ['metering', 'gemm', 'cost', 'load']

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      widths: { type: 'string', default: '64,128,256,512' },
    },
  })
  const names =
    positionals.length === 0 ? QUICK : positionals.flatMap(name => (name === 'kernels' ? KERNELS : name))
  const unknown = names.find(name => PARTS[name] === undefined)
  if (unknown !== undefined) throw new Error(`no part ${unknown}: kernels, ${Object.keys(PARTS).join(', ')}`)
  const { file: release } = await builtKernel('charlm')
  const bench = { release, widths: values.widths.split(',').map(Number), rounds: Number(values.rounds) }
  const figures: Figure[] = []
  for (const name of names) figures.push(...((await PARTS[name]?.(bench)) ?? []))
  console.table(
    figures.map(({ name, value, low, high, unit, reference, ratio }) => ({
      name,
      value,
      low,
      high,
      unit,
      reference,
      ratio,
    })),
  )
  await writeFigures(values.json, figures)
  if (figures.some(tooMuch)) process.exitCode = 1
}

async function withTwin<T>(use: (twin: Awaited<ReturnType<typeof openTwin>>) => Promise<T>): Promise<T> {
  const twin = await openTwin()
  try {
    return await use(twin)
  } finally {
    if (!('missing' in twin)) twin.close()
  }
}

/** These references are limits; those of the others say what is known to be possible. */
const tooMuch = ({ name, value, reference = Infinity }: Figure): boolean =>
  /^(metering|exact)\./.test(name) && Number(value) > reference

await main()
