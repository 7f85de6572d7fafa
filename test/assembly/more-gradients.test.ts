// The gradients of vision and cartpole: the f64 references against finite differences, the kernels against the references.

import { beforeAll, describe, expect, test } from 'vitest'
import { encodeSplit } from '#server/data/idx.ts'
import { type AnyKernel, kernelOf, recipeOf, runAny } from './any-kernel.ts'
import { type Numbers, randomStream, real } from './arithmetic.ts'
import {
  type CartpoleRecipe,
  initialise as initialisePolicy,
  playEpisodes,
  policyOf,
  surrogate,
} from './cartpole.reference.ts'
import { num } from './parts.ts'
import { sampleImages } from './sample-images.ts'
import {
  type Batch,
  drawBatch,
  initialise,
  type Net,
  netOf,
  pass,
  type VisionRecipe,
} from './vision.reference.ts'

let vision: AnyKernel
let cartpole: AnyKernel
beforeAll(async () => {
  vision = await kernelOf('vision')
  cartpole = await kernelOf('cartpole')
}, 60_000)

const norm = (list: ArrayLike<number>): number =>
  Math.sqrt(Array.from(list).reduce((sum, x) => sum + x * x, 0))

/** The slope of `loss` along each of some parameters, by central differences with Richardson's step. */
function slopeAt(parameters: Float64Array, i: number, loss: (at: Numbers) => number): number {
  const moved = (step: number): number => {
    const at = parameters.slice()
    at[i] = num(at, i) + step
    return loss(at)
  }
  const difference = (h: number): number => (moved(h) - moved(-h)) / (2 * h)
  return (4 * difference(1e-4) - difference(2e-4)) / 3
}

/** Large random parameters: activations on both sides, biases away from 0. */
const parametersOf = (count: number): Float64Array => {
  const next = randomStream(5, 9)
  return Float64Array.from({ length: count }, () => Number(next() >> 40n) / 2 ** 24 - 0.5)
}

const NETS = [
  { model: 'softmax' },
  { model: 'mlp', depth: 2, width: 8, activation: 'tanh' },
  { model: 'mlp', depth: 1, width: 8, activation: 'relu' },
  { model: 'cnn', depth: 1, width: 8, activation: 'gelu' },
  { model: 'cnn', depth: 0, activation: 'relu' },
] as const

const train = sampleImages({ count: 30, size: [7, 6], classes: 5 })

function setUp(changes: (typeof NETS)[number]): { recipe: VisionRecipe; net: Net } {
  const recipe = recipeOf(vision.manifest, { ...changes, batch: 6, clip: 1000 }) as unknown as VisionRecipe
  return { recipe, net: netOf(recipe, train, 5) }
}

describe('vision', () => {
  test.each(NETS)('the f64 reference agrees with finite differences to 1e-6 of the largest: %j', changes => {
    const { recipe, net } = setUp(changes)
    const parameters = parametersOf(net.parameters)
    const batch: Batch = drawBatch(real, randomStream(1, 1), recipe, train)
    const loss = (at: Numbers): number =>
      pass(real, net, at, batch, 0).losses.reduce((sum, x) => sum + x, 0) / recipe.batch
    const { gradients } = pass(real, net, parameters, batch, 1 / recipe.batch)
    const scale = Math.max(...gradients.map(Math.abs))
    for (let i = 0; i < parameters.length; i += 1 + Math.floor(parameters.length / 97)) {
      const error = Math.abs(slopeAt(parameters, i, loss) - num(gradients, i)) / scale
      expect(error, `parameter ${i}`).toBeLessThan(1e-6)
    }
  })

  test.each(NETS)('the kernel differs from the f64 reference by < 2e-6: %j', async changes => {
    const { recipe, net } = setUp(changes)
    const job = { recipe: { ...recipe }, limit: { updates: 1 } }
    const split = encodeSplit(train)
    const { state } = await runAny(vision.raw, vision.manifest, job, [split, split])
    const batch = drawBatch(real, randomStream(1, 1), recipe, train)
    const parameters = Float64Array.from(initialise(net, 1))
    const { gradients } = pass(real, net, parameters, batch, 1 / recipe.batch)
    expect(relativeError(state, gradients)).toBeLessThan(2e-6)
  })
})

describe('cartpole', () => {
  const POLICIES = [{}, { depth: 2, width: 8, activation: 'gelu', episodes: 5 }, { depth: 0 }]

  test.each(POLICIES)(
    'the f64 reference agrees with finite differences to 1e-6 of the largest: %j',
    changes => {
      const recipe = recipeOf(cartpole.manifest, changes) as unknown as CartpoleRecipe
      const policy = policyOf(recipe)
      const played = playEpisodes(policy, initialisePolicy(policy, 3), recipe, randomStream(3, 1))
      const parameters = parametersOf(policy.parameters)
      const loss = (at: Numbers): number => surrogate(real, policy, at, played).loss
      const { gradients } = surrogate(real, policy, parameters, played)
      const scale = Math.max(...gradients.map(Math.abs))
      for (let i = 0; i < parameters.length; i += 23) {
        const error = Math.abs(slopeAt(parameters, i, loss) - num(gradients, i)) / scale
        expect(error, `parameter ${i}`).toBeLessThan(1e-6)
      }
    },
  )

  test.each(POLICIES)('the kernel differs from the f64 reference by < 2e-6: %j', async changes => {
    const recipe = recipeOf(cartpole.manifest, { ...changes, clip: 1000 })
    const job = { recipe, limit: { updates: 1 } }
    const { state } = await runAny(cartpole.raw, cartpole.manifest, job, [])
    const whole = recipe as unknown as CartpoleRecipe
    const policy = policyOf(whole)
    const parameters = initialisePolicy(policy, 1)
    const played = playEpisodes(policy, parameters, whole, randomStream(1, 1))
    const { gradients } = surrogate(real, policy, Float64Array.from(parameters), played)
    expect(relativeError(state, gradients)).toBeLessThan(2e-6)
  })
})

/** The first moments, which after one unclipped update are a tenth of the gradient, stand before the second ones. */
function relativeError(state: Uint8Array, gradients: Numbers): number {
  const room = Math.ceil((gradients.length * 4) / 64) * 64
  const at = state.length - 2 * room
  const mean = new Float32Array(state.slice(at, at + gradients.length * 4).buffer)
  return norm(gradients.map((g, i) => num(mean, i) / 0.1 - g)) / norm(gradients)
}
