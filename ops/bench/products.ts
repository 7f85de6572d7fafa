import type { Figure } from '../figures.ts'
import { ENGINES, type EngineProcess, type GemmShape, withEngines } from './engines.ts'
import { figureOf, median, round } from './spread.ts'

const WIDTHS = [64, 128, 256, 512]
/** Rows of a batch of 12 windows of 64. */
const ROWS = 768

/** The products of an update's largest matrix at each width: forward, gradient of the input, gradient of the weights. */
const SHAPES: readonly (GemmShape & { readonly name: string })[] = WIDTHS.flatMap(width => [
  { name: `NN.w${width}`, order: 'NN', m: ROWS, n: 4 * width, k: width },
  { name: `NT.w${width}`, order: 'NT', m: ROWS, n: width, k: 4 * width },
  { name: `TN.w${width}`, order: 'TN', m: width, n: 4 * width, k: ROWS },
])

/** Matrix products as shares of what the same process adds and multiplies in registers. */
export async function productFigures(rounds: number): Promise<readonly Figure[]> {
  const shares = new Map<string, number[]>()
  const probes = new Map<string, number[]>()
  async function measure(
    engine: EngineProcess,
    { name, order, m, n, k }: (typeof SHAPES)[number],
  ): Promise<void> {
    // A neighbour that takes the core for a moment takes it from one of the two: both probes must be near.
    const before = await engine.ask({ ask: 'probe' })
    const { value } = await engine.ask({ ask: 'gemm', shape: { order, m, n, k } })
    const after = await engine.ask({ ask: 'probe' })
    const peak = Math.max(before.value, after.value)
    push(shares, `${engine.name} ${name}`, value / peak)
    push(probes, engine.name, peak)
  }
  for (let turn = 0; turn < rounds; turn++)
    await withEngines(async engines => {
      for (const shape of SHAPES) for (const engine of engines) await measure(engine, shape)
    })
  return ENGINES.flatMap(engine => {
    const rows = SHAPES.map(({ name }) =>
      figureOf(`gemm.${name}.${engine}`, shares.get(`${engine} ${name}`) ?? [], 'of probe'),
    )
    const least = Math.min(...rows.map(({ value }) => Number(value)))
    const suffix = engine === 'strict' ? '' : `.${engine}`
    return [
      { name: `probe.${engine}`, value: round(median(probes.get(engine) ?? [])), unit: 'GFLOP/s' },
      ...rows,
      {
        name: `gemm.share_of_probe${suffix}`,
        value: least,
        unit: 'ratio',
        reference: engine === 'strict' ? 0.9 : 0.8,
      },
    ]
  })
}

function push(into: Map<string, number[]>, key: string, value: number): void {
  into.set(key, [...(into.get(key) ?? []), value])
}
