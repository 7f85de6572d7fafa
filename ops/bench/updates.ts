import type { Figure } from '../figures.ts'
import { type Answer, ENGINES, type EngineProcess, type Training, type Twin, withEngines } from './engines.ts'
import { figureOf } from './spread.ts'

/** Speeds relative to PyTorch's that were reached on the machine where the kernel's design was tried out. */
const REFERENCES: Readonly<Record<number, { readonly strict: number; readonly paired: number }>> = {
  64: { strict: 0.8, paired: 1.31 },
  128: { strict: 0.52, paired: 0.83 },
  256: { strict: 0.39, paired: 0.67 },
}

const TWIN_SECONDS = 0.15
/** The share of the probe is asked for at one width. */
const PROBED_WIDTH = 128

/** GPT of 4 layers (3 at width 512), 4 heads, T 64, B 12, 65 symbols: whole updates of each engine, and of PyTorch, in turn. */
export async function updateFigures(
  twin: Twin | { readonly missing: string },
  { release, widths, rounds }: { release: string; widths: readonly number[]; rounds: number },
): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const width of widths) {
    // Four layers of width 512 need 259 MiB, and a kernel has 256.
    const depth = width < 512 ? 4 : 3
    const recipe = { vocabulary: 'dense', depth, width, heads: 4, context: 64, batch: 12 }
    figures.push(...(await atWidth(width, { training: { release, recipe }, twin, rounds })))
  }
  return figures
}

interface Measuring {
  readonly training: Training
  readonly twin: Twin | { readonly missing: string }
  readonly rounds: number
}

interface Round {
  readonly ours: ReadonlyMap<string, Answer & { readonly probe: number }>
  readonly theirMs: number | undefined
}

async function atWidth(width: number, measuring: Measuring): Promise<Figure[]> {
  const rounds: Round[] = []
  for (let turn = 0; turn < measuring.rounds; turn++)
    rounds.push(await withEngines(engines => oneRound(width, engines, measuring)))
  return ENGINES.flatMap(name => {
    const ours = rounds.flatMap(each => each.ours.get(name) ?? [])
    const speeds = ours.map(({ value, flops = 0 }) => flops / value / 1e6)
    const shares = ours.map(({ probe }, i) => (speeds[i] ?? 0) / probe)
    const suffix = name === 'strict' ? '' : `.${name}`
    return [
      figureOf(`step.w${width}.speed.${name}`, speeds, 'GFLOP/s'),
      ...(width === PROBED_WIDTH ? [figureOf(`step.w${width}.share_of_probe${suffix}`, shares)] : []),
      againstTwin(
        `step.w${width}.vs_pytorch.${name}`,
        rounds,
        name,
        REFERENCES[width]?.[name],
        measuring.twin,
      ),
    ]
  })
}

async function oneRound(
  width: number,
  engines: readonly EngineProcess[],
  { training, twin }: Measuring,
): Promise<Round> {
  const ours = new Map<string, Answer & { probe: number }>()
  for (const engine of engines) {
    const { value: probe } = await engine.ask({ ask: 'probe' })
    await engine.ask({ ask: 'update', training }) // compiles, and fills the caches
    ours.set(engine.name, { ...(await engine.ask({ ask: 'update', training })), probe })
  }
  if ('missing' in twin) return { ours, theirMs: undefined }
  const { ms, parameters } = await twin.update(width, TWIN_SECONDS)
  for (const [name, answer] of ours)
    if (answer.parameters !== parameters)
      throw new Error(
        `${name} trains ${answer.parameters} parameters, the twin ${parameters}: not the same model`,
      )
  return { ours, theirMs: ms }
}

function againstTwin(
  name: string,
  rounds: readonly Round[],
  engine: string,
  reference: number | undefined,
  twin: Measuring['twin'],
): Figure {
  if ('missing' in twin) return { name, value: `skipped: ${twin.missing}`, unit: 'ratio' }
  const ratios = rounds.flatMap(({ ours, theirMs }) => {
    const answer = ours.get(engine)
    return answer === undefined || theirMs === undefined ? [] : [theirMs / answer.value]
  })
  return { ...figureOf(name, ratios), ...(reference === undefined ? {} : { reference }) }
}
