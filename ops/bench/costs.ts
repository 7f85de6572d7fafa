import type { Figure } from '../figures.ts'
import { ENGINES, withEngines } from './engines.ts'
import { figureOf } from './spread.ts'

const RECIPE = { vocabulary: 'dense', depth: 4, width: 128, heads: 4, context: 64, batch: 12 }

/** What a run pays beside its updates: start-up (compiling included) and a checkpoint, in updates at width 128. */
export async function costFigures({
  release,
  rounds,
}: {
  release: string
  rounds: number
}): Promise<readonly Figure[]> {
  const training = { release, recipe: RECIPE }
  const starts = new Map<string, readonly number[]>()
  const inUpdates: number[] = []
  for (let turn = 0; turn < rounds; turn++)
    await withEngines(async engines => {
      for (const engine of engines) {
        const { value } = await engine.ask({ ask: 'start', training })
        starts.set(engine.name, [...(starts.get(engine.name) ?? []), value])
        if (engine.name !== 'strict') continue
        const { value: update } = await engine.ask({ ask: 'update', training })
        const { value: checkpoint } = await engine.ask({ ask: 'checkpoint', training })
        inUpdates.push(checkpoint / update)
      }
    })
  const figures = ENGINES.map(name =>
    figureOf(`start.w128.${name}`, starts.get(name) ?? [], 'ms of processor'),
  )
  return [...figures, figureOf('checkpoint.w128', inUpdates, 'updates')]
}
