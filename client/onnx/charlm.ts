/**
 * The forward pass of charlm@1 as a graph: the model of assembly/charlm/SPEC.md, parameter for parameter, in the order of its
 * artifact. Letters: B windows of a batch, T context, R = B T rows, D width, H heads of size d, V symbols, E hidden units of
 * the MLP, G columns of its first matrix.
 */
import type { Recipe } from '#protocol/job.ts'
import type { GraphBuilder, Tensor } from './graph.ts'
import {
  crossEntropy,
  gelu,
  layerNorm,
  mixedBy,
  reluSquared,
  rootMeanSquareNorm,
  rowsOf,
  silu,
} from './layers.ts'
import {
  add,
  batchedProduct,
  concat,
  multiply,
  product,
  reshape,
  scale,
  split,
  subtract,
  swapped,
  tanh,
  transpose,
} from './operators.ts'
import { type Model, placed, type Unplaced } from './training.ts'

interface Shape {
  readonly depth: number
  readonly width: number
  readonly heads: number
  readonly context: number
  readonly batch: number
  readonly hidden: number
  readonly expanded: number
  readonly symbols: number
}

/** charlm@1 with this canonical recipe, over a text with this many symbols. */
export function charlmModel(recipe: Recipe, symbols: number): Model {
  const shape = shapeOf(recipe, symbols)
  const rows = shape.batch * shape.context
  return {
    ...placed(parametersOf(recipe, shape)),
    batch: { inputs: [rows], targets: [rows], type: 'int32' },
    loss: (g, parameters, inputs, targets) =>
      crossEntropy(g, new Charlm(g, recipe, shape, parameters).logits(inputs), targets),
  }
}

function shapeOf(recipe: Recipe, symbols: number): Shape {
  const number = (name: string): number => Number(recipe[name])
  const hidden = number('width') * number('mlp_ratio')
  return {
    ...{ depth: number('depth'), width: number('width'), heads: number('heads'), symbols },
    ...{ context: number('context'), batch: number('batch'), hidden },
    expanded: recipe.activation === 'swiglu' ? 2 * hidden : hidden,
  }
}

function parametersOf(recipe: Recipe, shape: Shape): readonly Unplaced[] {
  const { depth, width, context, hidden, expanded, symbols } = shape
  const isGated = recipe.activation === 'swiglu'
  const layers = Array.from({ length: depth }, (_, l) => l)
  const matrix = (name: string, rows: number, columns: number, blocks = 0): Unplaced => ({
    ...{ name, shape: [rows, columns], decays: true, blocks },
  })
  const norm = (name: string): Unplaced[] =>
    (recipe.norm === 'rms' ? ['gain'] : ['gain', 'bias']).map(part => ({
      ...{ name: `${name}.${part}`, shape: [width], decays: false, blocks: 0 },
    }))
  return [
    matrix('tokens', symbols, width),
    ...(recipe.position === 'learned' ? [matrix('positions', context, width)] : []),
    ...(recipe.head === 'untied' ? [matrix('head', symbols, width)] : []),
    ...(recipe.value_embeddings === 'on' ? layers.map(l => matrix(`values${l}`, symbols, width)) : []),
    ...layers.flatMap(l => [
      matrix(`qkv${l}`, width, 3 * width, 3),
      matrix(`projection${l}`, width, width, 1),
      matrix(`expand${l}`, width, expanded, isGated ? 2 : 1),
      matrix(`contract${l}`, hidden, width, 1),
    ]),
    ...layers.flatMap(l => [...norm(`norm${l}.0`), ...norm(`norm${l}.1`)]),
    ...norm('last'),
  ]
}

class Charlm {
  readonly #g: GraphBuilder
  readonly #recipe: Recipe
  readonly #shape: Shape
  readonly #parameters: ReadonlyMap<string, Tensor>

  constructor(g: GraphBuilder, recipe: Recipe, shape: Shape, parameters: ReadonlyMap<string, Tensor>) {
    this.#g = g
    this.#recipe = recipe
    this.#shape = shape
    this.#parameters = parameters
  }

  /** (R, V) */
  logits(inputs: Tensor): Tensor {
    const g = this.#g
    let x = this.#embed(inputs)
    for (let l = 0; l < this.#shape.depth; l++) {
      x = this.#attention(l, x, inputs)
      x = this.#perceptron(l, x)
    }
    const head = this.#parameter(this.#recipe.head === 'untied' ? 'head' : 'tokens')
    const z = product(g, this.#norm('last', x), head, { transposeB: true })
    const cap = Number(this.#recipe.softcap)
    return cap > 0 ? scale(g, tanh(g, scale(g, z, 1 / cap)), cap) : z
  }

  #parameter(name: string): Tensor {
    const tensor = this.#parameters.get(name)
    if (tensor === undefined) throw new Error(`no parameter ${name}`)
    return tensor
  }

  #embed(inputs: Tensor): Tensor {
    const g = this.#g
    const { batch, context, width } = this.#shape
    const x = rowsOf(g, this.#parameter('tokens'), inputs)
    if (this.#recipe.position !== 'learned') return x
    const windows = reshape(g, x, [batch, context, width])
    return reshape(g, add(g, windows, this.#parameter('positions')), [batch * context, width])
  }

  #norm(name: string, x: Tensor): Tensor {
    const gain = this.#parameter(`${name}.gain`)
    if (this.#recipe.norm !== 'rms') return layerNorm(this.#g, x, gain, this.#parameter(`${name}.bias`))
    return multiply(this.#g, rootMeanSquareNorm(this.#g, x), gain)
  }

  /** x with what a layer's heads add to it. */
  #attention(l: number, x: Tensor, inputs: Tensor): Tensor {
    const g = this.#g
    const { width, heads, context, batch } = this.#shape
    const size = width / heads
    // All three parts are turned at once, so that each of them lies in one piece. The shape between keeps ONNX Runtime from cutting first.
    const joint = product(g, this.#norm(`norm${l}.0`, x), this.#parameter(`qkv${l}`))
    const parts = reshape(g, joint, [batch, context, 3, heads, size])
    const byPart = reshape(g, transpose(g, parts, [2, 0, 3, 1, 4]), [3, batch * context * width])
    const [q, k, plain] = split(g, byPart, 0, [1, 1, 1]).map(part =>
      reshape(g, part, [batch, heads, context, size]),
    )
    if (q === undefined || k === undefined || plain === undefined) throw new Error('three parts')
    const v =
      this.#recipe.value_embeddings === 'on'
        ? add(g, plain, this.#byHead(rowsOf(g, this.#parameter(`values${l}`), inputs)))
        : plain
    const scaled = scale(g, this.#turned(q), 1 / Math.sqrt(size))
    const scores = add(g, batchedProduct(g, scaled, swapped(g, this.#turned(k))), this.#mask(l))
    const mixed = transpose(g, mixedBy(g, scores, v), [0, 2, 1, 3])
    const rows = reshape(g, mixed, [batch * context, width])
    return product(g, rows, this.#parameter(`projection${l}`), { plus: x })
  }

  /** (R, D) as (B, H, T, d) */
  #byHead(x: Tensor): Tensor {
    const { width, heads, context, batch } = this.#shape
    return transpose(this.#g, reshape(this.#g, x, [batch, context, heads, width / heads]), [0, 2, 1, 3])
  }

  /** Rotary positions and normalised heads, each if the recipe says so; of (B, H, T, d). */
  #turned(x: Tensor): Tensor {
    const rotated = this.#recipe.position === 'rope' ? this.#rotated(x) : x
    return this.#recipe.qk_norm === 'on' ? rootMeanSquareNorm(this.#g, rotated) : rotated
  }

  #rotated(x: Tensor): Tensor {
    const g = this.#g
    const { width, heads, context } = this.#shape
    const half = width / heads / 2
    const angles = Array.from({ length: context * half }, (_, i) => {
      const [t, pair] = [Math.floor(i / half), i % half]
      return t * Math.exp(-ROPE_LOG * (pair / half))
    })
    const table = (f: (angle: number) => number): Tensor =>
      g.constant('float32', [context, half], angles.map(f))
    const [cos, sin] = [table(Math.cos), table(Math.sin)]
    const [first, second] = split(g, x, 3, [half, half])
    if (first === undefined || second === undefined) throw new Error('two parts')
    return concat(
      g,
      [
        subtract(g, multiply(g, first, cos), multiply(g, second, sin)),
        add(g, multiply(g, second, cos), multiply(g, first, sin)),
      ],
      3,
    )
  }

  /** (T, T): 0 where a row sees a column, else so little that nothing is left of it. */
  #mask(l: number): Tensor {
    const { context } = this.#shape
    const letters = String(this.#recipe.windows)
    const window = letters[l % letters.length] === 'S' ? Math.ceil(context / 2) : context
    const values = Array.from({ length: context * context }, (_, n) => {
      const [i, j] = [Math.floor(n / context), n % context]
      return j <= i && j > i - window ? 0 : UNSEEN
    })
    return this.#g.constant('float32', [context, context], values)
  }

  /** x with what a layer's perceptron adds to it. */
  #perceptron(l: number, x: Tensor): Tensor {
    const g = this.#g
    const { hidden } = this.#shape
    const h = product(g, this.#norm(`norm${l}.1`, x), this.#parameter(`expand${l}`))
    return product(g, this.#activated(h, hidden), this.#parameter(`contract${l}`), { plus: x })
  }

  #activated(h: Tensor, hidden: number): Tensor {
    const g = this.#g
    if (this.#recipe.activation === 'gelu') return gelu(g, h)
    if (this.#recipe.activation === 'relu2') return reluSquared(g, h)
    const [gate, value] = split(g, h, 1, [hidden, hidden])
    if (gate === undefined || value === undefined) throw new Error('two parts')
    return multiply(g, silu(g, gate), value)
  }
}

/** ln 10,000: the slowest pair turns once in so many positions. */
const ROPE_LOG = 9.210340371976182

/** A finite number, so that no difference of two of them is NaN. */
const UNSEEN = -1e30
