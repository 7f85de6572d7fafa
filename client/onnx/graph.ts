/** Element types of tensors; int64 is only what operators demand of shapes and counters. */
export type ElementType = 'float32' | 'int32' | 'int64' | 'bool'

/** The length of an axis that is known only when the graph runs; of inputs and outputs, never in a computation. */
export const ANY = -1

/** A value of a graph: its name is unique in the graph, its shape is known when the graph is built. */
export interface Tensor {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
}

export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string }
  | { readonly graph: Graph }

export interface Node {
  readonly op: string
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly attributes: Readonly<Record<string, Attribute>>
}

/** A tensor that is part of the model; `values` row by row. */
export interface Constant {
  readonly tensor: Tensor
  readonly values: readonly number[]
}

export interface Graph {
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly constants: readonly Constant[]
  readonly nodes: readonly Node[]
}

/**
 * From the gradients of a step's outputs, undefined for those that the loss does not depend on, to those of its inputs,
 * undefined for those that have none.
 */
type Backward = (gradients: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[]

interface Taped {
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly backward: Backward
}

interface NewNode {
  readonly op: string
  readonly inputs: readonly Tensor[]
  readonly shape: readonly number[]
  readonly type?: ElementType
  readonly attributes?: Readonly<Record<string, Attribute>>
}

/**
 * Builds a graph of plain ONNX operators, node after node, and its gradients. Equal nodes are built once. What is made by the
 * functions of operators.ts is on the tape and can be differentiated; what is made by `node` is not.
 */
export class GraphBuilder {
  readonly #prefix: string
  readonly #inputs: Tensor[] = []
  readonly #constants = new Map<string, Constant>()
  readonly #nodes: Node[] = []
  readonly #known = new Map<string, readonly Tensor[]>()
  readonly #tape: Taped[] = []
  #isTaping = true
  #count = 0

  /** `prefix` keeps the names of a graph inside another one apart from those around it. */
  constructor(prefix = '') {
    this.#prefix = prefix
  }

  input(name: string, type: ElementType, shape: readonly number[]): Tensor {
    const tensor = { name, type, shape }
    this.#inputs.push(tensor)
    return tensor
  }

  constant(type: ElementType, shape: readonly number[], values: readonly number[]): Tensor {
    if (values.length !== sizeOf(shape)) throw new RangeError(`${values.length} values for [${shape}]`)
    const key = `${type} [${shape}] ${values}`
    const known = this.#constants.get(key)
    if (known !== undefined) return known.tensor
    const tensor = { name: this.#name('const'), type, shape }
    this.#constants.set(key, { tensor, values })
    return tensor
  }

  scalar(value: number): Tensor {
    return this.constant('float32', [], [value])
  }

  /** A node with one output. */
  node({ op, inputs, shape, type = 'float32', attributes = {} }: NewNode): Tensor {
    return only(this.nodes(op, inputs, [{ type, shape }], attributes))
  }

  /** A node with the given outputs. */
  nodes(
    op: string,
    inputs: readonly Tensor[],
    results: readonly { readonly type: ElementType; readonly shape: readonly number[] }[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): readonly Tensor[] {
    const isPlain = !Object.values(attributes).some(attribute => 'graph' in attribute)
    const key = `${op} ${inputs.map(({ name }) => name)} ${isPlain ? JSON.stringify(attributes) : this.#count}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const outputs = results.map(({ type, shape }) => ({ name: this.#name(op), type, shape }))
    this.#nodes.push({ op, inputs, outputs, attributes })
    this.#known.set(key, outputs)
    return outputs
  }

  /** Puts a step with one output on the tape; `backward` is called while nothing is taped. */
  differentiable(
    inputs: readonly Tensor[],
    output: Tensor,
    backward: (gradient: Tensor) => readonly (Tensor | undefined)[],
  ): Tensor {
    this.record(inputs, [output], ([gradient]) => (gradient === undefined ? [] : backward(gradient)))
    return output
  }

  /** Puts a step on the tape. */
  record(inputs: readonly Tensor[], outputs: readonly Tensor[], backward: Backward): void {
    if (!this.#isTaping || this.#tape.some(taped => taped.outputs[0] === outputs[0])) return
    this.#tape.push({ inputs, outputs, backward })
  }

  /** Builds a part whose own steps stay off the tape. */
  untaped<T>(build: () => T): T {
    const before = this.#isTaping
    this.#isTaping = false
    try {
      return build()
    } finally {
      this.#isTaping = before
    }
  }

  /**
   * The gradients of a scalar by `wanted`, in reverse mode; throws for a tensor that it does not depend on. Only what leads to
   * a wanted tensor is built.
   */
  gradients(loss: Tensor, wanted: readonly Tensor[]): readonly Tensor[] {
    const reaches = new Set(wanted.map(({ name }) => name))
    for (const { inputs, outputs } of this.#tape)
      if (inputs.some(({ name }) => reaches.has(name))) for (const { name } of outputs) reaches.add(name)
    return this.untaped(() => {
      const parts = new Map<string, Tensor[]>([[loss.name, [this.constant('float32', loss.shape, [1])]]])
      for (const { inputs, outputs, backward } of this.#tape.toReversed()) {
        if (!outputs.some(({ name }) => reaches.has(name))) continue
        const gradients = outputs.map(({ name }) => this.#sum(parts.get(name)))
        if (gradients.every(gradient => gradient === undefined)) continue
        backward(gradients).forEach((part, i) => {
          const name = inputs[i]?.name
          if (part === undefined || name === undefined || !reaches.has(name)) return
          parts.set(name, [...(parts.get(name) ?? []), part])
        })
      }
      return wanted.map(({ name }) => {
        const gradient = this.#sum(parts.get(name))
        if (gradient === undefined) throw new Error(`the loss does not depend on ${name}`)
        return gradient
      })
    })
  }

  /** The same value under a name that the graph's caller knows. */
  named(tensor: Tensor, name: string): Tensor {
    const output = { ...tensor, name }
    this.#nodes.push({ op: 'Identity', inputs: [tensor], outputs: [output], attributes: {} })
    return output
  }

  /** The graph with these outputs, in order. */
  finish(outputs: readonly Tensor[]): Graph {
    return { inputs: this.#inputs, outputs, constants: [...this.#constants.values()], nodes: this.#nodes }
  }

  #sum(parts: readonly Tensor[] | undefined): Tensor | undefined {
    const [first, ...rest] = parts ?? []
    if (first === undefined || rest.length === 0) return first
    return rest.reduce((sum, part) => this.node({ op: 'Add', inputs: [sum, part], shape: sum.shape }), first)
  }

  #name(stem: string): string {
    return `${this.#prefix}${stem}_${this.#count++}`
  }
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, n) => size * n, 1)

function only(tensors: readonly Tensor[]): Tensor {
  const [tensor] = tensors
  if (tensor === undefined || tensors.length !== 1) throw new Error('one output was expected')
  return tensor
}
