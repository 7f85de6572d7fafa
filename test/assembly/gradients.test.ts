import { beforeAll, describe, expect, test } from 'vitest'
import { type Numbers, randomStream, real } from './arithmetic.ts'
import { moduleOf, RECIPE, run, sampleText } from './drive.ts'
import { offsets, type Shape, tensors } from './layout.ts'
import { num } from './parts.ts'
import { pass } from './reference.ts'
import { initialise } from './training.ts'

const SHAPE: Shape = { ...RECIPE, depth: 2, width: 12, heads: 3, context: 7, symbols: 9 }

const rows = {
  inputs: Array.from({ length: 14 }, (_, i) => (i * 5) % 9),
  targets: Array.from({ length: 14 }, (_, i) => (i * 7 + 3) % 9),
}

/** Large random parameters: attention far from uniform, GELU on both sides, gains away from 1. */
function parametersOf(shape: Shape): Float64Array {
  const next = randomStream(5, 9)
  return Float64Array.from({ length: offsets(shape).parameters }, () => Number(next() >> 40n) / 2 ** 24 - 0.5)
}

const norm = (list: ArrayLike<number>): number =>
  Math.sqrt(Array.from(list).reduce((sum, x) => sum + x * x, 0))

/** Each option apart, and all at once. */
const OPTIONS: readonly Partial<Shape>[] = [
  {},
  { mlp_ratio: 2 },
  { activation: 'relu2' },
  { activation: 'swiglu' },
  { norm: 'rms' },
  { position: 'rope' },
  { qk_norm: 'on' },
  { windows: 'SL' },
  { softcap: 2 },
  { head: 'untied' },
  { value_embeddings: 'on' },
  {
    ...{ activation: 'swiglu', norm: 'rms', position: 'rope', qk_norm: 'on', windows: 'S' },
    ...{ softcap: 3, head: 'untied', value_embeddings: 'on', mlp_ratio: 1 },
  },
]

describe.each(OPTIONS)('gradients with %j', options => {
  const shape: Shape = { ...SHAPE, ...options }
  const parameters = parametersOf(shape)
  const loss = (at: Numbers): number =>
    pass(real, shape, at, rows, 0).losses.reduce((sum, x) => sum + x, 0) / 14
  const { gradients } = pass(real, shape, parameters, rows, 1 / 14)
  // The square of a ramp bends at once where it begins: differences over that point are less good.
  const bound = options.activation === 'relu2' ? 1e-4 : 1e-6

  test(`every tensor's gradient in f64 agrees with finite differences to ${bound}`, () => {
    for (const [name, start, end] of tensors(shape)) {
      const direction = Array.from(gradients.subarray(start, end)) // the steepest: nothing cancels
      const length = norm(direction)
      const moved = (step: number): number => {
        const at = parameters.slice()
        direction.forEach((d, i) => {
          at[start + i] = num(at, start + i) + (step * d) / length
        })
        return loss(at)
      }
      const difference = (h: number): number => (moved(h) - moved(-h)) / (2 * h)
      const slope = (4 * difference(1e-3) - difference(2e-3)) / 3 // Richardson: the error is of fourth order
      expect(Math.abs(slope / length - 1), name).toBeLessThan(bound)
    }
  })
})

describe('gradients', () => {
  const parameters = parametersOf(SHAPE)
  const loss = (at: Numbers): number =>
    pass(real, SHAPE, at, rows, 0).losses.reduce((sum, x) => sum + x, 0) / 14
  const { gradients } = pass(real, SHAPE, parameters, rows, 1 / 14)

  test('single parameters agree with finite differences to 1e-6 of the largest', () => {
    const scale = Math.max(...gradients.map(Math.abs))
    for (let i = 0; i < parameters.length; i += 37) {
      const moved = (step: number): number => {
        const at = parameters.slice()
        at[i] = num(at, i) + step
        return loss(at)
      }
      const difference = (h: number): number => (moved(h) - moved(-h)) / (2 * h)
      const slope = (4 * difference(1e-3) - difference(2e-3)) / 3
      expect(Math.abs(slope - num(gradients, i)) / scale, `parameter ${i}`).toBeLessThan(1e-6)
    }
  })
})

describe('the gradients of the kernel', () => {
  let module: Uint8Array
  beforeAll(async () => {
    module = await moduleOf('charlm')
  })
  const inputs = { train: sampleText(900), val: sampleText(150, 7) }
  const base = { ...RECIPE, width: 32, heads: 4, context: 24, batch: 6, clip: 1000 }

  test.each(OPTIONS)('differ from the f64 reference by < 4e-6 of each tensor: %j', async options => {
    const recipe = { ...base, ...options, softcap: options.softcap === undefined ? 0 : 15 }
    const { state, artifact, said } = await run(module, { recipe, limit: { updates: 1 } }, inputs)
    const shape: Shape = { ...recipe, symbols: new Set(inputs.train).size }
    // Behind the weights lie the first moments, which after one unclipped update are a tenth of the gradient.
    const weightBytes = said.counters.parameters * 4
    const padded = Math.ceil(weightBytes / 64) * 64
    const meanAt = state.length - 2 * padded
    const mean = new Float32Array(state.slice(meanAt, meanAt + weightBytes).buffer)
    expect(artifact.length).toBe(320 + weightBytes)
    expect(said.counters.parameters).toBe(offsets(shape).parameters)
    const exactly = realGradients(shape, recipe, inputs.train)
    for (const [name, start, end] of tensors(shape)) {
      const wanted = exactly.subarray(start, end)
      const error = wanted.map((g, i) => num(mean, start + i) / 0.1 - g)
      expect(norm(error) / norm(wanted), name).toBeLessThan(4e-6)
    }
  })
})

/** The first batch's gradients in f64, from the same weights and windows. */
function realGradients(shape: Shape, recipe: typeof RECIPE, train: Uint8Array): Numbers {
  const next = randomStream(1, 1)
  const known = [...new Set(train)].sort((a, b) => a - b)
  const starts = Array.from({ length: recipe.batch }, () =>
    Number(((next() >> 32n) * BigInt(train.length - shape.context)) >> 32n),
  )
  const symbols = (shift: number) =>
    starts.flatMap(s => Array.from({ length: shape.context }, (_, t) => known.indexOf(train[s + t + shift]!)))
  const parameters = Float64Array.from(initialise(shape, 1))
  const rows = { inputs: symbols(0), targets: symbols(1) }
  return pass(real, shape, parameters, rows, 1 / rows.inputs.length).gradients
}
