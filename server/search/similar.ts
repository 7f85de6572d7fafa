import type { Recipe } from '#protocol/job.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import type { Dimension } from '#protocol/space.ts'
import { NEIGHBOURS, type Neighbour, nearest, noveltyAmong } from './novelty.ts'
import { compileSpace, type SearchSpace } from './search-space.ts'

/** A parameter over so many times its smallest value is told apart by ratios: 1 to 2 is as far as 100 to 200. */
const LOG_FROM = 64

/** All that a kernel takes, as a space: what recipes of any campaign can be compared in. */
export function spaceOfKernel({ recipe }: Pick<KernelManifest, 'recipe'>): SearchSpace {
  const dimensions: Record<string, Dimension> = {}
  for (const [name, schema] of Object.entries(recipe.properties)) {
    if (schema.type === 'string') {
      dimensions[name] = { choice: schema.enum }
      continue
    }
    const { minimum, maximum, multipleOf } = schema
    if (minimum === maximum) continue // tells nobody apart
    const isLog = minimum > 0 && maximum / minimum >= LOG_FROM
    const ends: [number, number] = [minimum, maximum]
    if (schema.type === 'integer')
      dimensions[name] = {
        ...{ int: ends, scale: isLog ? 'log' : 'linear' },
        ...(multipleOf === undefined ? {} : { step: multipleOf }),
      }
    else dimensions[name] = isLog ? { log: ends } : { float: ends }
  }
  const space = compileSpace({ space: dimensions })
  if (!space.ok) throw new Error(`a kernel’s parameters are a space: ${space.detail}`)
  return space
}

/** The recipes nearest to a canonical one in the space of its kernel, and how new it is (0 tried … 1 nothing like it). */
export function similarTo(
  manifest: Pick<KernelManifest, 'recipe'>,
  recipe: Recipe,
  { tried, count }: { readonly tried: readonly Recipe[]; readonly count: number },
): { readonly novelty: number; readonly neighbours: readonly Neighbour[] } {
  const found = nearest(spaceOfKernel(manifest), recipe, { tried, count: Math.max(count, NEIGHBOURS) })
  return { novelty: noveltyAmong(found), neighbours: found.slice(0, count) }
}
