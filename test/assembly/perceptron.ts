// The stack of dense layers of lib/perceptron.ts, slow and clear, in either arithmetic.

import { activate as activateTransformer } from './activations.ts'
import { type Arithmetic, fillNormal, type Numbers } from './arithmetic.ts'
import { num, product, transposed, type View, view } from './parts.ts'

export interface Stack {
  readonly features: number
  readonly width: number
  readonly hidden: number
  readonly outs: number
  readonly activation: string
}

/** Where in the parameters the weights and the biases of a stack begin. */
export interface Place {
  readonly weights: number
  readonly biases: number
}

interface Layer {
  readonly ins: number
  readonly outs: number
  readonly weights: number
  readonly bias: number
}

export function layersOf(
  { features, width, hidden, outs }: Stack,
  place: Place = { weights: 0, biases: 0 },
): Layer[] {
  const sizes = [features, ...Array.from({ length: hidden }, () => width), outs]
  const layers: Layer[] = []
  let { weights, biases: bias } = place
  for (let l = 0; l <= hidden; l++) {
    const layer = { ins: num(sizes, l), outs: num(sizes, l + 1), weights, bias }
    layers.push(layer)
    weights += layer.ins * layer.outs
    bias += layer.outs
  }
  return layers
}

export const weightCount = (stack: Stack): number =>
  layersOf(stack).reduce((sum, { ins, outs }) => sum + ins * outs, 0)
export const biasCount = (stack: Stack): number => layersOf(stack).reduce((sum, { outs }) => sum + outs, 0)
export const roundUp8 = (x: number): number => Math.ceil(x / 8) * 8
export const gainOf = (activation: string): number => (activation === 'tanh' ? 1 : 2)

/** Fresh weights of the stack from the stream `next`. */
export function fillStack(
  next: () => bigint,
  parameters: Float32Array,
  stack: Stack,
  { place, last }: { place: Place; last: number },
): void {
  layersOf(stack, place).forEach(({ ins, outs, weights }, l) => {
    const gain = l === stack.hidden ? last : gainOf(stack.activation)
    fillNormal(next, parameters.subarray(weights, weights + ins * outs), Math.sqrt(gain / ins))
  })
}

export interface Activated {
  readonly value: Numbers
  readonly slope: Numbers
}

export function activate(A: Arithmetic, activation: string, x: Numbers): Activated {
  if (activation === 'gelu') return activateTransformer(A, 'gelu', x, 1)
  const value = A.numbers(x.length)
  const slope = A.numbers(x.length)
  x.forEach((z, i) => {
    const y = activation === 'tanh' ? A.tanh(z) : z > 0 ? z : 0
    value[i] = y
    slope[i] = activation === 'tanh' ? A.round(1 - A.round(y * y)) : z > 0 ? 1 : 0
  })
  return { value, slope }
}

/** x (rows, columns) += bias. */
export function addBias(
  { round }: Arithmetic,
  x: Numbers,
  parameters: Numbers,
  { bias, columns }: { bias: number; columns: number },
): void {
  for (let i = 0; i < x.length; i++) x[i] = round(num(x, i) + num(parameters, bias + (i % columns)))
}

/** gradients[bias…] += the rows of d, in their order. */
export function addRows(
  { round }: Arithmetic,
  gradients: Numbers,
  d: Numbers,
  { bias, columns }: { bias: number; columns: number },
): void {
  for (let i = 0; i < d.length; i++) {
    const at = bias + (i % columns)
    gradients[at] = round(num(gradients, at) + num(d, i))
  }
}

export interface Perceived {
  readonly logits: Numbers // (rows, outs)
  readonly inputs: readonly Numbers[] // of each layer
  readonly activated: readonly Activated[]
}

export function perceive(
  A: Arithmetic,
  stack: Stack,
  { parameters, place, x }: { parameters: Numbers; place: Place; x: Numbers },
): Perceived {
  const rows = x.length / stack.features
  const inputs: Numbers[] = []
  const activated: Activated[] = []
  let input = x
  for (const { ins, outs, weights, bias } of layersOf(stack, place)) {
    inputs.push(input)
    const z = A.numbers(rows * outs)
    product(A, view(z, outs), view(input, ins), view(parameters, outs, weights), [rows, outs, ins])
    addBias(A, z, parameters, { bias, columns: outs })
    if (inputs.length > stack.hidden) return { logits: z, inputs, activated }
    const layer = activate(A, stack.activation, z)
    activated.push(layer)
    input = layer.value
  }
  throw new Error('a stack has a last layer')
}

/** Adds the gradients of the parameters; gives the gradient of the first layer's input. */
export function perceiveBack(
  A: Arithmetic,
  stack: Stack,
  { parameters, place, gradients }: { parameters: Numbers; place: Place; gradients: Numbers },
  { perceived, dLogits }: { perceived: Perceived; dLogits: Numbers },
): Numbers {
  let d = dLogits
  const layers = layersOf(stack, place)
  for (let l = stack.hidden; l >= 0; l--) {
    const { ins, outs, weights, bias } = layers[l]!
    const rows = d.length / outs
    const x: View = view(perceived.inputs[l]!, ins)
    product(A, view(gradients, outs, weights), transposed(x), view(d, outs), [ins, outs, rows])
    addRows(A, gradients, d, { bias, columns: outs })
    const dx = A.numbers(rows * ins)
    product(A, view(dx, ins), view(d, outs), transposed(view(parameters, outs, weights)), [rows, ins, outs])
    if (l > 0) multiply(A, dx, perceived.activated[l - 1]!.slope)
    d = dx
  }
  return d
}

export function multiply({ round }: Arithmetic, d: Numbers, slope: Numbers): void {
  for (let i = 0; i < d.length; i++) d[i] = round(num(d, i) * num(slope, i))
}
