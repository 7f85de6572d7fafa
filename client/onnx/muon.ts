import type { GraphBuilder, Tensor } from './graph.ts'
import { binary, reduced, unary } from './nodes.ts'
import { concat, product, reshape, split, swapped } from './operators.ts'
import type { Parameter } from './training.ts'

const STEPS = 5
/** Of the quintic iteration: Jordan et al. 2024. */
const [A, B, C] = [3.4445, -4.775, 2.0315]
/** Liu et al. 2025: with it one learning rate serves Muon and AdamW. */
const SCALE = 0.2

interface MuonStep {
  readonly parameter: Parameter
  readonly before: ReadonlyMap<string, Tensor>
  readonly gradient: Tensor
  readonly factor: Tensor
  readonly numbers: { readonly lr: Tensor }
  readonly momentum: number
  /** The parameter after its decay. */
  readonly kept: Tensor
}

/** Muon as in assembly/SPEC.md, block of columns by block of columns. */
export function muonUpdate(g: GraphBuilder, step: MuonStep): readonly (readonly [string, Tensor])[] {
  const { parameter, before, gradient, factor, numbers, momentum, kept } = step
  const old = before.get(`${parameter.name}.mean`)
  if (old === undefined) throw new Error(`no momentum of ${parameter.name}`)
  const fresh = binary(g, 'Mul', gradient, binary(g, 'Mul', factor, g.scalar(1 - momentum)))
  const mean = binary(g, 'Add', binary(g, 'Mul', old, g.scalar(momentum)), fresh)
  const ahead = binary(g, 'Add', binary(g, 'Mul', mean, g.scalar(momentum)), fresh)
  const [rows = 0, columns = 0] = parameter.shape
  const width = columns / parameter.blocks
  const blocks = split(
    g,
    ahead,
    1,
    Array.from({ length: parameter.blocks }, () => width),
  )
  const directions = blocks.map(block => orthogonalised(g, block))
  const direction = concat(g, directions, 1)
  const length = binary(g, 'Mul', numbers.lr, g.scalar(SCALE * Math.sqrt(Math.max(rows, width))))
  return [
    [parameter.name, binary(g, 'Sub', kept, binary(g, 'Mul', direction, length))],
    [`${parameter.name}.mean`, mean],
  ]
}

/** Five steps of Newton and Schulz towards the nearest matrix with orthonormal rows (or columns, if there are fewer). */
function orthogonalised(g: GraphBuilder, d: Tensor): Tensor {
  const [rows = 0, columns = 0] = d.shape
  const isTall = rows > columns
  const norm = unary(g, 'Sqrt', reshape(g, reduced(g, 'ReduceSumSquare', d, [0, 1]), []))
  const unit = binary(g, 'Div', d, binary(g, 'Add', norm, g.scalar(1e-7)))
  let x = isTall ? swapped(g, unit) : unit
  for (let i = 0; i < STEPS; i++) {
    const s = product(g, x, x, { transposeB: true })
    const p = binary(
      g,
      'Add',
      binary(g, 'Mul', s, g.scalar(B)),
      binary(g, 'Mul', product(g, s, s), g.scalar(C)),
    )
    x = binary(g, 'Add', binary(g, 'Mul', x, g.scalar(A)), product(g, p, x))
  }
  return isTall ? swapped(g, x) : x
}
