/**
 * A whole training step as a graph, and K of them in one `Loop`: forward, backward, clipping and the optimizer, with
 * parameters and moments as loop-carried values, so that they stay on the device between updates.
 */
import type { Recipe } from '#protocol/job.ts'
import { ANY, type ElementType, type Graph, GraphBuilder, sizeOf, type Tensor } from './graph.ts'
import { muonUpdate } from './muon.ts'
import { binary, reduced, unary } from './nodes.ts'
import { reshape } from './operators.ts'

/** A tensor that is trained. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
  /** Where it begins among the artifact's parameters, in floats. */
  readonly at: number
  readonly decays: boolean
  /** Into how many equal blocks of columns Muon cuts it; 0 where it does not apply. */
  readonly blocks: number
}

export type Unplaced = Omit<Parameter, 'at'>

/** Parameters one behind the other, and how many floats they are. `from` is where the first one begins. */
export function placed(list: readonly Unplaced[], from = 0): Pick<Model, 'parameters' | 'floats'> {
  let floats = from
  const parameters = list.map(parameter => {
    const at = floats
    floats += sizeOf(parameter.shape)
    return { ...parameter, at }
  })
  return { parameters, floats }
}

/** What is trained: its parameters, the shape of a batch, and the mean loss of one in nats. */
export interface Model {
  readonly parameters: readonly Parameter[]
  /** Of all parameters in the artifact, padding included. */
  readonly floats: number
  readonly batch: {
    readonly inputs: readonly number[]
    readonly targets: readonly number[]
    /** Of the inputs; targets are int32. */
    readonly type: ElementType
  }
  readonly loss: (
    g: GraphBuilder,
    parameters: ReadonlyMap<string, Tensor>,
    inputs: Tensor,
    targets: Tensor,
  ) => Tensor
}

/** The numbers of one update, in the order in which a row of the input `numbers` has them. */
export const NUMBERS = ['rate', 'epsilon', 'keep', 'lr'] as const

/** Losses in nats and gradient norms, one per update; as far as the loop went. */
export const LOSSES = 'losses'
export const NORMS = 'norms'

const ADAM_BETA1 = 0.9

/**
 * As many training steps as the input `count` (int64) says. Inputs: `inputs` and `targets` with a leading axis of updates,
 * `numbers` (updates, 4), and for each parameter p its value `p`, its mean or momentum `p.mean` and, but for SGD and what Muon
 * moves, its mean square `p.square`. Outputs: the same state under `next.`, LOSSES and NORMS (updates that were made). The loop
 * ends with the first update whose loss or gradient norm is not finite; the state is then worth nothing.
 */
export function trainingGraph(model: Model, recipe: Recipe): Graph {
  const g = new GraphBuilder()
  const { batch } = model
  const state = stateOf(model, recipe)
  const count = g.input('count', 'int64', [])
  const outer = {
    inputs: g.input('inputs', batch.type, [ANY, ...batch.inputs]),
    targets: g.input('targets', 'int32', [ANY, ...batch.targets]),
    numbers: g.input('numbers', 'float32', [ANY, NUMBERS.length]),
  }
  const before = state.map(({ name, shape }) => g.input(name, 'float32', shape))
  const results = [...state.map(({ shape }) => shape), [ANY], [ANY]].map(shape => ({
    ...{ type: 'float32' as const, shape },
  }))
  const body = { graph: stepGraph(model, recipe, outer) }
  const outputs = g.nodes('Loop', [count, g.constant('bool', [], [1]), ...before], results, { body })
  const names = [...state.map(({ name }) => `next.${name}`), LOSSES, NORMS]
  return g.finish(outputs.map((tensor, i) => g.named(tensor, names[i] ?? '')))
}

export interface StateTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** `value` is the parameter itself. */
  readonly part: 'value' | 'mean' | 'square'
  readonly parameter: Parameter
}

/** All that an update reads and writes: the parameters, then their moments. */
export function stateOf({ parameters }: Model, recipe: Recipe): readonly StateTensor[] {
  const part = (of: StateTensor['part'], of_: readonly Parameter[]): StateTensor[] =>
    of_.map(parameter => ({
      name: of === 'value' ? parameter.name : `${parameter.name}.${of}`,
      ...{ shape: parameter.shape, part: of, parameter },
    }))
  const squared = parameters.filter(parameter => methodOf(recipe, parameter) === 'adamw')
  return [...part('value', parameters), ...part('mean', parameters), ...part('square', squared)]
}

function methodOf(recipe: Recipe, { blocks }: Parameter): 'adamw' | 'muon' | 'sgd' {
  if (recipe.optimizer === 'sgd') return 'sgd'
  return recipe.optimizer === 'muon' && blocks > 0 ? 'muon' : 'adamw'
}

interface Outer {
  readonly inputs: Tensor
  readonly targets: Tensor
  readonly numbers: Tensor
}

/** The body of the loop: one update, of the batch that has the loop's number. */
function stepGraph(model: Model, recipe: Recipe, outer: Outer): Graph {
  const g = new GraphBuilder('step.')
  const turn = g.input('step.turn', 'int64', [])
  g.input('step.runs', 'bool', [])
  const state = stateOf(model, recipe)
  const before = new Map(state.map(({ name, shape }) => [name, g.input(`step.${name}`, 'float32', shape)]))
  const row = (x: Tensor): Tensor =>
    g.node({ op: 'Gather', inputs: [x, turn], shape: x.shape.slice(1), type: x.type })
  const loss = model.loss(g, before, row(outer.inputs), row(outer.targets))
  const values = model.parameters.map(({ name }) => tensorOf(before, name))
  const gradients = g.gradients(loss, values)
  const norm = normOf(g, gradients)
  const numbers = numbersOf(g, row(outer.numbers))
  const clip = g.scalar(Number(recipe.clip))
  const factor = binary(g, 'Div', clip, binary(g, 'Max', norm, clip)) // 1 below the bound
  const after = new Map<string, Tensor>()
  model.parameters.forEach((parameter, i) => {
    const gradient = gradients[i]
    if (gradient === undefined) throw new Error('a gradient for each parameter')
    const moved = update(g, { recipe, parameter, before, gradient, factor, numbers })
    for (const [name, tensor] of moved) after.set(name, tensor)
  })
  const runs = bothFinite(g, loss, norm)
  return g.finish([runs, ...state.map(({ name }) => tensorOf(after, name)), loss, norm])
}

function tensorOf(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name)
  if (tensor === undefined) throw new Error(`no tensor ${name}`)
  return tensor
}

/** The root of the sum of all squares. */
function normOf(g: GraphBuilder, gradients: readonly Tensor[]): Tensor {
  const sums = gradients.map(gradient => {
    const axes = gradient.shape.map((_, i) => i)
    return reshape(g, reduced(g, 'ReduceSumSquare', gradient, axes), [])
  })
  return unary(g, 'Sqrt', g.node({ op: 'Sum', inputs: sums, shape: [] }))
}

/** Neither of two numbers is NaN or infinite: their difference from themselves is 0. */
function bothFinite(g: GraphBuilder, a: Tensor, b: Tensor): Tensor {
  const sum = binary(g, 'Add', a, b)
  const none = binary(g, 'Sub', sum, sum)
  return g.node({ op: 'Equal', inputs: [none, g.scalar(0)], shape: [], type: 'bool' })
}

type Numbers = Readonly<Record<(typeof NUMBERS)[number], Tensor>>

function numbersOf(g: GraphBuilder, row: Tensor): Numbers {
  const at = (i: number): Tensor =>
    g.node({ op: 'Gather', inputs: [row, g.constant('int64', [], [i])], shape: [] })
  return { rate: at(0), epsilon: at(1), keep: at(2), lr: at(3) }
}

interface Step {
  readonly recipe: Recipe
  readonly parameter: Parameter
  readonly before: ReadonlyMap<string, Tensor>
  readonly gradient: Tensor
  /** What the gradient is multiplied by, so that the whole of it is not longer than the recipe's clip. */
  readonly factor: Tensor
  readonly numbers: Numbers
}

function update(g: GraphBuilder, step: Step): readonly (readonly [string, Tensor])[] {
  const { recipe, parameter } = step
  switch (methodOf(recipe, parameter)) {
    case 'adamw':
      return adamw(g, step)
    case 'sgd':
      return sgd(g, step)
    default:
      return muonUpdate(g, { ...step, momentum: Number(recipe.momentum), kept: kept(g, step) })
  }
}

function kept(g: GraphBuilder, { before, parameter, numbers }: Step): Tensor {
  const value = tensorOf(before, parameter.name)
  return parameter.decays ? binary(g, 'Mul', value, numbers.keep) : value
}

/** Loshchilov and Hutter 2019, as in assembly/SPEC.md; rate and epsilon come divided by 1 / √(1 − β₂ᵗ). */
function adamw(g: GraphBuilder, step: Step): readonly (readonly [string, Tensor])[] {
  const { recipe, parameter, before, gradient, factor, numbers } = step
  const beta2 = Number(recipe.beta2)
  const factor1 = binary(g, 'Mul', factor, g.scalar(1 - ADAM_BETA1))
  const factor2 = binary(g, 'Mul', binary(g, 'Mul', factor, factor), g.scalar(1 - beta2))
  const mean = binary(
    g,
    'Add',
    binary(g, 'Mul', tensorOf(before, `${parameter.name}.mean`), g.scalar(ADAM_BETA1)),
    binary(g, 'Mul', gradient, factor1),
  )
  const square = binary(
    g,
    'Add',
    binary(g, 'Mul', tensorOf(before, `${parameter.name}.square`), g.scalar(beta2)),
    binary(g, 'Mul', binary(g, 'Mul', gradient, gradient), factor2),
  )
  const root = binary(g, 'Add', unary(g, 'Sqrt', square), numbers.epsilon)
  const change = binary(g, 'Mul', binary(g, 'Div', mean, root), numbers.rate)
  return [
    [parameter.name, binary(g, 'Sub', kept(g, step), change)],
    [`${parameter.name}.mean`, mean],
    [`${parameter.name}.square`, square],
  ]
}

function sgd(g: GraphBuilder, step: Step): readonly (readonly [string, Tensor])[] {
  const { recipe, parameter, before, gradient, factor, numbers } = step
  const old = binary(g, 'Mul', tensorOf(before, `${parameter.name}.mean`), g.scalar(Number(recipe.momentum)))
  const mean = binary(g, 'Add', old, binary(g, 'Mul', gradient, factor))
  return [
    [parameter.name, binary(g, 'Sub', kept(g, step), binary(g, 'Mul', mean, numbers.lr))],
    [`${parameter.name}.mean`, mean],
  ]
}
