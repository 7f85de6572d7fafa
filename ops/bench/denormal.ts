import type { Figure } from '../figures.ts'
import type { EngineProcess } from './engines.ts'

/** see below */
export async function denormalFigures(_engines: readonly EngineProcess[]): Promise<readonly Figure[]> {
  return []
}
