// Muon (Jordan et al. 2024): momentum, then the nearest orthogonal matrix by five Newton-Schulz steps. A matrix G of
// (rows, columns) is worked on as X of (r, c) with r <= c: G itself, or its transpose. The update is scaled by
// 0.2 sqrt(max(rows, columns)) (Liu et al. 2025), whose size is that of AdamW's, so that both share one learning rate.

import { squaredNorm } from './adamw'
import { gemm, LOWER_OUT, NN, NT, WHOLE } from './gemm'
import { flush } from './math'

export const NEWTON_SCHULZ_STEPS: u32 = 5
const A: f32 = 3.4445
const B: f32 = -4.775
const C: f32 = 2.0315
// Entries of X below 1e-15 of its norm are set to 0: their products would be denormal.
const LIMITS = memory.data<f32>([1.0e-30, 1.0e-15], 16)

/** A block of a matrix: `rows` rows of `columns` floats (a multiple of eight), `stride` floats apart. */
@unmanaged
export class Block {
  rows: u32
  columns: u32
  stride: u32
}

/** Working memory: X and Y of (r, c), S and P of (r, r). */
@unmanaged
export class Space {
  x: usize
  y: usize
  s: usize
  p: usize
}

@inline function shorter(block: Block): u32 {
  return min(block.rows, block.columns)
}

@inline function longer(block: Block): u32 {
  return max(block.rows, block.columns)
}

/**
 * The momentum m = flush(m momentum + g (1 - momentum)), g the scaled gradient, and X = the direction
 * m momentum + g (1 - momentum) (Nesterov), divided by its Frobenius norm + 1e-7.
 */
export function muonBegin(space: Space, block: Block, g: usize, m: usize, scale: f32, momentum: f32): void {
  const scales = f32x4.splat(scale)
  const keep = f32x4.splat(momentum)
  const take = f32x4.splat(1 - momentum)
  const limit = v128.load32_splat(LIMITS)
  const stride = usize(block.stride) << 2
  const bytes = usize(block.columns) << 2
  let to = space.y
  for (let i: u32 = 0; i < block.rows; i++) {
    for (let j: usize = 0; j < bytes; j += 32) {
      const g0 = f32x4.mul(f32x4.mul(v128.load(g + j), scales), take)
      const g1 = f32x4.mul(f32x4.mul(v128.load(g + j, 16), scales), take)
      const m0 = flush(f32x4.add(f32x4.mul(v128.load(m + j), keep), g0), limit)
      const m1 = flush(f32x4.add(f32x4.mul(v128.load(m + j, 16), keep), g1), limit)
      v128.store(m + j, m0)
      v128.store(m + j, m1, 16)
      v128.store(to + j, f32x4.add(f32x4.mul(m0, keep), g0))
      v128.store(to + j, f32x4.add(f32x4.mul(m1, keep), g1), 16)
    }
    g += stride
    m += stride
    to += bytes
  }
  const norm = sqrt<f64>(squaredNorm(space.y, block.rows * block.columns)) + 1e-7
  scaleFlushed(space.y, f32(1 / norm), block.rows * block.columns)
  if (block.rows <= block.columns) memory.copy(space.x, space.y, usize(block.rows * block.columns) << 2)
  else transpose(space.x, space.y, block.rows, block.columns)
}

// x becomes x * factor, or 0 where that is below 1e-15.
function scaleFlushed(x: usize, factor: f32, count: u32): void {
  const end = x + (usize(count) << 2)
  const factors = f32x4.splat(factor)
  const limit = v128.load32_splat(LIMITS, 4)
  for (; x < end; x += 32) {
    const x0 = flush(f32x4.mul(v128.load(x), factors), limit), x1 = flush(f32x4.mul(v128.load(x, 16), factors), limit)
    v128.store(x, x0)
    v128.store(x, x1, 16)
  }
}

// to (columns, rows) = from (rows, columns) transposed
function transpose(to: usize, from: usize, rows: u32, columns: u32): void {
  for (let i: u32 = 0; i < rows; i++) {
    for (let j: u32 = 0; j < columns; j++) {
      store<f32>(to + (usize(j * rows + i) << 2), load<f32>(from + (usize(i * columns + j) << 2)))
    }
  }
}

/** First half of a step: S = X X', P = B S + C (S S), both symmetric: the upper halves are copies. */
export function muonSquare(space: Space, block: Block): void {
  const r = shorter(block), c = longer(block)
  gemm(NT, LOWER_OUT, r, r, c, space.x, c, space.x, c, space.s, r, false)
  mirror(space.s, r)
  gemm(NN, LOWER_OUT, r, r, r, space.s, r, space.s, r, space.p, r, false)
  mirror(space.p, r)
  const bytes = usize(r * r) << 2
  const b = f32x4.splat(B), q = f32x4.splat(C)
  for (let i: usize = 0; i < bytes; i += 32) {
    const p0 = f32x4.add(f32x4.mul(v128.load(space.s + i), b), f32x4.mul(v128.load(space.p + i), q))
    const p1 = f32x4.add(f32x4.mul(v128.load(space.s + i, 16), b), f32x4.mul(v128.load(space.p + i, 16), q))
    v128.store(space.p + i, p0)
    v128.store(space.p + i, p1, 16)
  }
}

function mirror(s: usize, size: u32): void {
  for (let i: u32 = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) {
      store<f32>(s + (usize(i * size + j) << 2), load<f32>(s + (usize(j * size + i) << 2)))
    }
  }
}

/** Second half of a step: X = A X + P X, the product added onto A X. */
export function muonMultiply(space: Space, block: Block): void {
  const r = shorter(block), c = longer(block)
  const bytes = usize(r * c) << 2
  const a = f32x4.splat(A)
  for (let i: usize = 0; i < bytes; i += 32) {
    const y0 = f32x4.mul(v128.load(space.x + i), a), y1 = f32x4.mul(v128.load(space.x + i, 16), a)
    v128.store(space.y + i, y0)
    v128.store(space.y + i, y1, 16)
  }
  gemm(NN, WHOLE, r, c, r, space.p, r, space.x, c, space.y, c, true)
  const x = space.x
  space.x = space.y
  space.y = x
}

/** p = p keep - rate X, X transposed back. */
export function muonApply(space: Space, block: Block, p: usize, rate: f32, keep: f32): void {
  let from = space.x
  if (block.rows > block.columns) {
    transpose(space.y, space.x, block.columns, block.rows)
    from = space.y
  }
  const rates = f32x4.splat(rate)
  const keeps = f32x4.splat(keep)
  const bytes = usize(block.columns) << 2
  for (let i: u32 = 0; i < block.rows; i++) {
    for (let j: usize = 0; j < bytes; j += 32) {
      const p0 = f32x4.sub(f32x4.mul(v128.load(p + j), keeps), f32x4.mul(v128.load(from + j), rates))
      const p1 = f32x4.sub(f32x4.mul(v128.load(p + j, 16), keeps), f32x4.mul(v128.load(from + j, 16), rates))
      v128.store(p + j, p0)
      v128.store(p + j, p1, 16)
    }
    from += bytes
    p += usize(block.stride) << 2
  }
}

/** Operations of one half of a step, the first or the second. */
export function muonFlops(block: Block, first: bool): u64 {
  const r = u64(shorter(block)), c = u64(longer(block))
  return first ? r * (r + 1) * (r + c) + 3 * r * r : 2 * r * r * c + r * c
}

/** The scale of an update. */
export function muonScale(block: Block): f64 {
  return 0.2 * sqrt<f64>(f64(longer(block)))
}
