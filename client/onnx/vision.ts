/**
 * vision@1 as a graph: the networks of assembly/vision/SPEC.md. Letters: B images of a batch, h and w pixels, K classes.
 */
import type { Recipe } from '#protocol/job.ts'
import type { GraphBuilder, Tensor } from './graph.ts'
import { convolution3x3, maxPool2x2 } from './images.ts'
import { crossEntropy, gelu } from './layers.ts'
import { add, product, relu, reshape, tanh, transpose } from './operators.ts'
import { type Model, placed, type Unplaced } from './training.ts'

export interface Images {
  readonly height: number
  readonly width: number
  readonly classes: number
}

interface Layer {
  readonly ins: number
  readonly outs: number
}

const VECTOR = 8
const roundUp = (n: number): number => Math.ceil(n / VECTOR) * VECTOR

/** vision@1 with this canonical recipe, for images of this size. */
export function visionModel(recipe: Recipe, images: Images): Model {
  const { convolutions, dense } = layersOf(recipe, images)
  const weights = placed([
    ...convolutions.map(({ ins, outs }, i) => weight(`filter${i}`, 9 * ins, outs)),
    ...dense.map(({ ins, outs }, i) => weight(`dense${i}`, ins, outs)),
  ])
  const biases = placed(
    [
      ...convolutions.map(({ outs }, i) => bias(`filter${i}.bias`, outs)),
      ...dense.map(({ outs }, i) => bias(`dense${i}.bias`, outs)),
    ],
    roundUp(weights.floats),
  )
  const batch = Number(recipe.batch)
  return {
    parameters: [...weights.parameters, ...biases.parameters],
    floats: roundUp(biases.floats),
    batch: { inputs: [batch, images.height * images.width], targets: [batch], type: 'float32' },
    loss: (g, parameters, inputs, targets) => {
      const network = { g, recipe, images, parameters, convolutions, dense }
      return crossEntropy(g, logits(network, inputs), targets)
    },
  }
}

const weight = (name: string, rows: number, columns: number): Unplaced => ({
  ...{ name, shape: [rows, columns], decays: true, blocks: 0 },
})
const bias = (name: string, columns: number): Unplaced => ({
  ...{ name, shape: [columns], decays: false, blocks: 0 },
})

interface Layers {
  readonly convolutions: readonly Layer[]
  readonly dense: readonly Layer[]
}

function layersOf(recipe: Recipe, { height, width, classes }: Images): Layers {
  const [channels, hidden] = [Number(recipe.channels), Number(recipe.width)]
  const isConvolutional = recipe.model === 'cnn'
  const convolutions = isConvolutional
    ? [
        { ins: 1, outs: channels },
        { ins: channels, outs: 2 * channels },
      ]
    : []
  const features = isConvolutional ? (height >> 2) * (width >> 2) * 2 * channels : height * width
  const sizes = [
    features,
    ...Array.from({ length: recipe.model === 'softmax' ? 0 : Number(recipe.depth) }, () => hidden),
    classes,
  ]
  const dense = sizes.slice(1).map((outs, i) => ({ ins: sizes[i] ?? 0, outs }))
  return { convolutions, dense }
}

interface Network extends Layers {
  readonly g: GraphBuilder
  readonly recipe: Recipe
  readonly images: Images
  readonly parameters: ReadonlyMap<string, Tensor>
}

/** (B, K) */
function logits(network: Network, inputs: Tensor): Tensor {
  const { g, dense } = network
  let x = network.convolutions.length === 0 ? inputs : features(network, inputs)
  dense.forEach((_, i) => {
    const z = add(g, product(g, x, parameter(network, `dense${i}`)), parameter(network, `dense${i}.bias`))
    x = i === dense.length - 1 ? z : activated(network, z)
  })
  return x
}

/** What the convolutions leave of each image, (B, ⌊h/4⌋ · ⌊w/4⌋ · channels) in the order y, x, channel. */
function features(network: Network, inputs: Tensor): Tensor {
  const { g, images, convolutions } = network
  const batch = inputs.shape[0] ?? 0
  let x = reshape(g, inputs, [batch, 1, images.height, images.width])
  convolutions.forEach(({ ins, outs }, i) => {
    // The filters are stored by row, column and channel in, then channel out.
    const stored = reshape(g, parameter(network, `filter${i}`), [3, 3, ins, outs])
    const pooled = maxPool2x2(g, convolution3x3(g, x, transpose(g, stored, [3, 2, 0, 1])))
    const shift = reshape(g, parameter(network, `filter${i}.bias`), [1, outs, 1, 1])
    x = activated(network, add(g, pooled, shift))
  })
  const [, channels = 0, height = 0, width = 0] = x.shape
  return reshape(g, transpose(g, x, [0, 2, 3, 1]), [batch, height * width * channels])
}

function activated({ g, recipe }: Network, x: Tensor): Tensor {
  if (recipe.activation === 'relu') return relu(g, x)
  return recipe.activation === 'tanh' ? tanh(g, x) : gelu(g, x)
}

function parameter({ parameters }: Network, name: string): Tensor {
  const tensor = parameters.get(name)
  if (tensor === undefined) throw new Error(`no parameter ${name}`)
  return tensor
}
