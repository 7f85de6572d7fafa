import { unreachable } from '#domain/invariant.ts'
import type { Dimension, SamplerFile } from '#protocol/space.ts'
import type { SearchSpace } from '../search-space.ts'
import { cmaesSampler } from './cmaes.ts'
import { evolutionSampler, POPULATION } from './evolution.ts'
import { gpSampler } from './gp.ts'
import { gridSampler } from './grid.ts'
import { PATIENCE, randomSampler, sobolSampler } from './open-loop.ts'
import { randomPoint, type Sampler } from './sampler.ts'
import { tpeSampler } from './tpe.ts'

type SamplerReply =
  | { readonly ok: true; readonly sampler: Sampler }
  | { readonly ok: false; readonly detail: string }

export function samplerOf(
  space: SearchSpace,
  dimensions: Readonly<Record<string, Dimension>>,
  { name, seed, startup }: SamplerFile,
): SamplerReply {
  const model = (sampler: Sampler, startupDefault: number, patience = PATIENCE): SamplerReply => ({
    ok: true,
    sampler: startingEvenly(space, sampler, { seed, startup: startup ?? startupDefault, patience }),
  })
  switch (name) {
    case 'grid':
      return gridSampler(space, dimensions)
    case 'random':
      return { ok: true, sampler: randomSampler(space, seed) }
    case 'sobol':
      return { ok: true, sampler: sobolSampler(space, seed) }
    case 'tpe':
      return model(tpeSampler(space), 10)
    case 'cmaes':
      return model(cmaesSampler(space, seed), 0)
    case 'evolution':
      return model(evolutionSampler(space), POPULATION)
    case 'gp':
      return model(gpSampler(space), 10, GP_PATIENCE)
    default:
      return unreachable(name)
  }
}

// Each of its draws has looked at hundreds of candidates, in a tenth of a second.
const GP_PATIENCE = 3

function startingEvenly(
  space: SearchSpace,
  sampler: Sampler,
  { seed, startup, patience }: { readonly seed: number; readonly startup: number; readonly patience: number },
): Sampler {
  const even = sobolSampler(space, seed)
  return view => {
    const draw = view.observations.length < startup ? even(view) : sampler(view)
    return (stream, attempt) => (attempt < patience ? draw(stream, attempt) : randomPoint(space, stream))
  }
}
