// Where the parameters of charlm lie, in numbers: the order of assembly/charlm/shape.ts.

import type { TrainingRecipe } from './training.ts'

export type Shape = Pick<
  TrainingRecipe,
  | 'depth'
  | 'width'
  | 'heads'
  | 'context'
  | 'mlp_ratio'
  | 'activation'
  | 'norm'
  | 'position'
  | 'windows'
  | 'qk_norm'
  | 'softcap'
  | 'head'
  | 'value_embeddings'
> & { readonly symbols: number }

export const hiddenOf = ({ width, mlp_ratio }: Shape): number => width * mlp_ratio
export const expandedOf = (shape: Shape): number => hiddenOf(shape) * (shape.activation === 'swiglu' ? 2 : 1)
export const windowOf = ({ windows, context }: Shape, l: number): number =>
  windows[l % windows.length] === 'S' ? Math.ceil(context / 2) : context

/** Offsets of parameters. */
export function offsets(shape: Shape) {
  const { depth, width: D, context, symbols } = shape
  const table = symbols * D
  const positions = shape.position === 'rope' ? 0 : context * D
  const head = shape.head === 'tied' ? 0 : table + positions
  const values = table + positions + (shape.head === 'tied' ? 0 : table)
  const layers = values + (shape.value_embeddings === 'on' ? depth * table : 0)
  const [G, E] = [expandedOf(shape), hiddenOf(shape)]
  const layer = (l: number) => layers + (4 * D + G + E) * D * l
  const matrices = layer(depth)
  const norm = shape.norm === 'rms' ? D : 2 * D
  return {
    position: table,
    head,
    value: (l: number) => values + table * l,
    layers,
    qkv: layer,
    projection: (l: number) => layer(l) + 3 * D * D,
    expand: (l: number) => layer(l) + 4 * D * D,
    contract: (l: number) => layer(l) + 4 * D * D + D * G,
    norm: (l: number, which: number) => matrices + norm * (2 * l + which),
    matrices,
    parameters: matrices + norm * (2 * depth + 1),
  }
}

/** Every tensor's name, first number and the number behind its last. */
export function tensors(shape: Shape): [string, number, number][] {
  const at = offsets(shape)
  const layers = Array.from({ length: shape.depth }, (_, l): [string, number][] => [
    [`qkv ${l}`, at.qkv(l)],
    [`projection ${l}`, at.projection(l)],
    [`expand ${l}`, at.expand(l)],
    [`contract ${l}`, at.contract(l)],
  ]).flat()
  const norms = Array.from({ length: 2 * shape.depth + 1 }, (_, i): [string, number][] => [
    [`gain ${i}`, at.norm(0, i)],
    ...(shape.norm === 'rms' ? [] : [[`bias ${i}`, at.norm(0, i) + shape.width] as [string, number]]),
  ]).flat()
  const starts: [string, number][] = [['tokens', 0]]
  if (shape.position === 'learned') starts.push(['positions', at.position])
  if (shape.head === 'untied') starts.push(['head', at.head])
  if (shape.value_embeddings === 'on')
    for (let l = 0; l < shape.depth; l++) starts.push([`values ${l}`, at.value(l)])
  starts.push(...layers, ...norms)
  return starts.map(([name, start], i) => [name, start, starts[i + 1]?.[1] ?? at.parameters])
}
