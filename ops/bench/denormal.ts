import type { Figure } from '../figures.ts'
import { builtKernel } from '../kernels/build.ts'
import { openEngineProcess } from './engines.ts'
import { figureOf } from './spread.ts'

const LATE = 3_000
const EARLY = 50
/** Of both in turn, in each round. */
const UPDATES = 60

// A rate at which many rectifiers die within some hundred updates: the moments of their weights then only decay.
const RECIPE = {
  model: 'mlp',
  depth: 2,
  width: 128,
  activation: 'relu',
  batch: 16,
  lr: 0.05,
  warmup: 0,
  clip: 1000,
}

/**
 * Updates of a network that was trained for 3,000 updates, over those of the same network at its beginning, in turn. Numbers
 * below 1e-38 take a processor up to a hundred times as long, and dead units make them; kernels flush them to zero.
 */
export async function denormalFigures(rounds: number): Promise<readonly Figure[]> {
  const { file: release } = await builtKernel('vision')
  const training = { release, recipe: RECIPE }
  const [old, young] = [openEngineProcess('strict'), openEngineProcess('strict')]
  try {
    await old.ask({ ask: 'update', training, updates: LATE })
    await young.ask({ ask: 'update', training, updates: EARLY })
    const slowdowns: number[] = []
    for (let turn = 0; turn < rounds; turn++) {
      const late = await old.ask({ ask: 'update', training, updates: UPDATES })
      const early = await young.ask({ ask: 'update', training, updates: UPDATES })
      slowdowns.push(late.value / early.value)
    }
    const late = await old.ask({ ask: 'state', training })
    const early = await young.ask({ ask: 'state', training })
    // A few words of counters look like denormal numbers in both.
    const denormals = (late.bytes ?? Number.NaN) - (early.bytes ?? Number.NaN)
    return [
      figureOf('denormal.slowdown', slowdowns),
      { name: 'denormal.in_state', value: denormals, unit: 'numbers' },
      { name: 'denormal.zeros_in_state', value: Math.round(100 * late.value), unit: '%' },
    ]
  } finally {
    for (const engine of [old, young]) engine.close()
  }
}
