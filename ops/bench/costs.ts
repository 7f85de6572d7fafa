import type { Figure } from '../figures.ts'
import { type EngineName, type EngineProcess, openEngineProcess } from './engines.ts'
import { figureOf } from './spread.ts'

const RECIPE = { vocabulary: 'dense', depth: 4, width: 128, heads: 4, context: 64, batch: 12 }
const STARTS = 3

/** What a run pays beside its updates: start-up (compiling included) and a checkpoint, in updates at width 128. */
export async function costFigures(
  engines: readonly EngineProcess[],
  { release, rounds }: { release: string; rounds: number },
): Promise<readonly Figure[]> {
  const training = { release, recipe: RECIPE }
  const figures: Figure[] = []
  for (const engine of engines) {
    const starts: number[] = []
    for (let turn = 0; turn < STARTS; turn++) starts.push(await startOf(engine.name, training))
    figures.push(figureOf(`start.w128.${engine.name}`, starts, 'ms'))
  }
  const [engine] = engines
  if (engine === undefined) return figures
  const inUpdates: number[] = []
  for (let turn = 0; turn < rounds; turn++) {
    const { value: update } = await engine.ask({ ask: 'update', training })
    const { value: checkpoint } = await engine.ask({ ask: 'checkpoint', training })
    inUpdates.push(checkpoint / update)
  }
  return [...figures, figureOf('checkpoint.w128', inUpdates, 'updates')]
}

/** In a fresh process: code that was compiled once is kept. */
async function startOf(
  name: EngineName,
  training: { release: string; recipe: typeof RECIPE },
): Promise<number> {
  const engine = openEngineProcess(name)
  try {
    return (await engine.ask({ ask: 'start', training })).value
  } finally {
    engine.close()
  }
}
