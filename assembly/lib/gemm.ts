// The matrix product, the one place where a kernel spends its time: C (+)= A B in f32, row-major with strides.
//
// Specification: acc = C, or 0; for k ascending: acc = f32(acc + f32(a * b)); C = acc. Only columns are vectorised, so tile
// shape, packing, the blocking of k (C is stored and reloaded in f32, which is exact) and the engine cannot change a bit.
//
// All products go through one 8 x 16 micro-kernel over packed operands. Block sizes: 512 of k keeps a panel of B (32 KiB)
// in the first cache, 128 rows of A a block (256 KiB) in the second.

import { packAcrossRows, packAlongRows } from './pack'

export const NN = 0 // A is (m, k), B is (k, n)
export const NT = 1 // A is (m, k), B is (n, k)
export const TN = 2 // A is (k, m), B is (k, n)

export const WHOLE = 0
export const LOWER_OUT = 1 // tiles of C wholly above the diagonal are left alone
export const LOWER_A = 2 // A(i, k) = 0 for k > i, up to whole strips: those k are skipped
export const UPPER_A = 3 // A(i, k) = 0 for k < i, down to whole strips: those k are skipped
/** A window that leaves nothing of a triangle out. */
export const NO_WINDOW: u32 = 0x7fffffff

const ROWS = 8
const COLUMNS = 16
const K_BLOCK: u32 = 512
const M_BLOCK: u32 = 128
const N_BLOCK: u32 = 512

/** Bytes of working memory that `setWorkspace` must be given. */
export const WORKSPACE_BYTES: u32 = (K_BLOCK * M_BLOCK + K_BLOCK * N_BLOCK + 8 * 16) << 2

let packedA: usize = 0
let packedB: usize = 0
let edge: usize = 0 // an 8 x 16 tile for the ragged right and lower edges of C

/** Gives the product its packing buffers: WORKSPACE_BYTES at a multiple of 16. Once, before the first product. */
export function setWorkspace(start: usize): void {
  packedA = start
  packedB = packedA + ((K_BLOCK * M_BLOCK) << 2)
  edge = packedB + ((K_BLOCK * N_BLOCK) << 2)
}

/** C (m, n) = A B, or C += A B if `accumulate`. `order` says how A and B are stored; strides are in floats. */
export function gemm(
  order: i32, triangle: i32, m: u32, n: u32, k: u32,
  a: usize, strideA: usize, b: usize, strideB: usize, c: usize, strideC: usize, accumulate: bool,
): void {
  gemmBanded(order, triangle, NO_WINDOW, m, n, k, a, strideA, b, strideB, c, strideC, accumulate)
}

/**
 * As `gemm`, of a triangle of which only a band is wanted: column j of row i with i - window < j <= i. `triangle` names what
 * may be skipped; with LOWER_A and UPPER_A k must not exceed 512 (attention's contexts are at most 256).
 */
export function gemmBanded(
  order: i32, triangle: i32, window: u32, m: u32, n: u32, k: u32,
  a: usize, strideA: usize, b: usize, strideB: usize, c: usize, strideC: usize, accumulate: bool,
): void {
  for (let j: u32 = 0; j < n; j += N_BLOCK) {
    const columns = min(N_BLOCK, n - j)
    for (let p: u32 = 0; p < k; p += K_BLOCK) {
      const depth = min(K_BLOCK, k - p)
      if (order == NT) packAlongRows(packedB, at(b, strideB, j, p), strideB, columns, depth, COLUMNS)
      else packAcrossRows(packedB, at(b, strideB, p, j), strideB, columns, depth, COLUMNS)
      for (let i: u32 = 0; i < m; i += M_BLOCK) {
        const rows = min(M_BLOCK, m - i)
        if (order == TN) packAcrossRows(packedA, at(a, strideA, p, i), strideA, rows, depth, ROWS)
        else packAlongRows(packedA, at(a, strideA, i, p), strideA, rows, depth, ROWS)
        block(triangle, window, i, rows, j, columns, depth, at(c, strideC, i, j), strideC << 2, accumulate || p > 0)
      }
    }
  }
}

/** The first column, a multiple of eight, that any of the rows of row i's strip of eight wants of a band. */
export function bandStart(i: u32, window: u32): u32 {
  const first = i & ~7
  return first + 1 > window ? (first + 1 - window) & ~7 : 0
}

@inline function at(base: usize, stride: usize, row: u32, column: u32): usize {
  return base + ((usize(row) * stride + usize(column)) << 2)
}

// One packed block: `rows` from row i0 by `columns` from column j0 of C, tile by tile, a panel of B staying in the cache.
function block(
  triangle: i32, window: u32, i0: u32, rows: u32, j0: u32, columns: u32, k: u32, c: usize, rowBytes: usize, accumulate: bool,
): void {
  const panelBytes = usize(k) * (COLUMNS << 2)
  const stripBytes = usize(k) * (ROWS << 2)
  let panel = packedB
  for (let j: u32 = 0; j < columns; j += COLUMNS) {
    let strip = packedA
    let tile = c + (usize(j) << 2)
    const width = min<u32>(COLUMNS, columns - j)
    for (let i: u32 = 0; i < rows; i += ROWS) {
      const row = i0 + i
      let from: u32 = 0
      let to = k
      if (triangle == LOWER_A) {
        from = bandStart(row, window)
        to = min(row + ROWS, k)
      } else if (triangle == UPPER_A) {
        from = min(row, k)
        to = min(k, row + ROWS - 1 + min(window, k))
      }
      const column = j0 + j
      const wanted = row + ROWS > column && column + COLUMNS > bandStart(row, window)
      if (triangle != LOWER_OUT || wanted) {
        const stripAt = strip + (usize(from) << 5)
        const panelAt = panel + (usize(from) << 6)
        const height = min<u32>(ROWS, rows - i)
        if (height == ROWS && width == COLUMNS) tile8x16(to - from, stripAt, panelAt, tile, rowBytes, accumulate)
        else edgeTile(to - from, stripAt, panelAt, tile, rowBytes, accumulate, height, width)
      }
      strip += stripBytes
      tile += rowBytes << 3
    }
    panel += panelBytes
  }
}

// A tile that hangs over the edge of C is computed in `edge`, of which height x width is copied in and out.
function edgeTile(
  k: u32, strip: usize, panel: usize, tile: usize, rowBytes: usize, accumulate: bool, height: u32, width: u32,
): void {
  const bytes = usize(width) << 2
  if (accumulate) {
    for (let i: usize = 0; i < usize(height); i++) copyFloats(edge + (i << 6), tile + i * rowBytes, bytes)
  }
  tile8x16(k, strip, panel, edge, 64, accumulate)
  for (let i: usize = 0; i < usize(height); i++) copyFloats(tile + i * rowBytes, edge + (i << 6), bytes)
}

@inline function copyFloats(to: usize, from: usize, bytes: usize): void {
  for (let offset: usize = 0; offset < bytes; offset += 4) store<f32>(to + offset, load<f32>(from + offset))
}

@inline function madd(c: v128, a: v128, b: v128): v128 {
  return f32x4.add(c, f32x4.mul(a, b))
}

// The micro-kernel: 32 accumulators, for each k four vectors of B and eight broadcasts of A. Few engines have registers for
// all of it, and it is still the fastest of the shapes tried, since it loads least for what it computes; the optimiser joins
// the two k of a round per accumulator, so what is spilled is spilled once for both. Unrolled by two: four is 8 % slower
// (longer instructions), one costs twice the spills (ops/LOG.md). Adjacent vectors stand side by side, as revectorising
// engines like it. One line per row and k, hence several statements a line: the pattern is the documentation.
function tile8x16(k: u32, a: usize, b: usize, c: usize, rowBytes: usize, accumulate: bool): void {
  const c1 = c + rowBytes, c2 = c1 + rowBytes, c3 = c2 + rowBytes, c4 = c3 + rowBytes
  const c5 = c4 + rowBytes, c6 = c5 + rowBytes, c7 = c6 + rowBytes
  let c00 = i32x4.splat(0), c01 = c00, c02 = c00, c03 = c00, c10 = c00, c11 = c00, c12 = c00, c13 = c00
  let c20 = c00, c21 = c00, c22 = c00, c23 = c00, c30 = c00, c31 = c00, c32 = c00, c33 = c00
  let c40 = c00, c41 = c00, c42 = c00, c43 = c00, c50 = c00, c51 = c00, c52 = c00, c53 = c00
  let c60 = c00, c61 = c00, c62 = c00, c63 = c00, c70 = c00, c71 = c00, c72 = c00, c73 = c00
  if (accumulate) {
    c00 = v128.load(c); c01 = v128.load(c, 16); c02 = v128.load(c, 32); c03 = v128.load(c, 48)
    c10 = v128.load(c1); c11 = v128.load(c1, 16); c12 = v128.load(c1, 32); c13 = v128.load(c1, 48)
    c20 = v128.load(c2); c21 = v128.load(c2, 16); c22 = v128.load(c2, 32); c23 = v128.load(c2, 48)
    c30 = v128.load(c3); c31 = v128.load(c3, 16); c32 = v128.load(c3, 32); c33 = v128.load(c3, 48)
    c40 = v128.load(c4); c41 = v128.load(c4, 16); c42 = v128.load(c4, 32); c43 = v128.load(c4, 48)
    c50 = v128.load(c5); c51 = v128.load(c5, 16); c52 = v128.load(c5, 32); c53 = v128.load(c5, 48)
    c60 = v128.load(c6); c61 = v128.load(c6, 16); c62 = v128.load(c6, 32); c63 = v128.load(c6, 48)
    c70 = v128.load(c7); c71 = v128.load(c7, 16); c72 = v128.load(c7, 32); c73 = v128.load(c7, 48)
  }
  let x: v128, b0: v128, b1: v128, b2: v128, b3: v128
  const whole = a + (usize(k & ~1) << 5)
  while (a < whole) {
    b0 = v128.load(b); b1 = v128.load(b, 16); b2 = v128.load(b, 32); b3 = v128.load(b, 48)
    x = v128.load32_splat(a); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1); c02 = madd(c02, x, b2); c03 = madd(c03, x, b3)
    x = v128.load32_splat(a, 4); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1); c12 = madd(c12, x, b2); c13 = madd(c13, x, b3)
    x = v128.load32_splat(a, 8); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1); c22 = madd(c22, x, b2); c23 = madd(c23, x, b3)
    x = v128.load32_splat(a, 12); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1); c32 = madd(c32, x, b2); c33 = madd(c33, x, b3)
    x = v128.load32_splat(a, 16); c40 = madd(c40, x, b0); c41 = madd(c41, x, b1); c42 = madd(c42, x, b2); c43 = madd(c43, x, b3)
    x = v128.load32_splat(a, 20); c50 = madd(c50, x, b0); c51 = madd(c51, x, b1); c52 = madd(c52, x, b2); c53 = madd(c53, x, b3)
    x = v128.load32_splat(a, 24); c60 = madd(c60, x, b0); c61 = madd(c61, x, b1); c62 = madd(c62, x, b2); c63 = madd(c63, x, b3)
    x = v128.load32_splat(a, 28); c70 = madd(c70, x, b0); c71 = madd(c71, x, b1); c72 = madd(c72, x, b2); c73 = madd(c73, x, b3)
    b0 = v128.load(b, 64); b1 = v128.load(b, 80); b2 = v128.load(b, 96); b3 = v128.load(b, 112)
    x = v128.load32_splat(a, 32); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1); c02 = madd(c02, x, b2); c03 = madd(c03, x, b3)
    x = v128.load32_splat(a, 36); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1); c12 = madd(c12, x, b2); c13 = madd(c13, x, b3)
    x = v128.load32_splat(a, 40); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1); c22 = madd(c22, x, b2); c23 = madd(c23, x, b3)
    x = v128.load32_splat(a, 44); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1); c32 = madd(c32, x, b2); c33 = madd(c33, x, b3)
    x = v128.load32_splat(a, 48); c40 = madd(c40, x, b0); c41 = madd(c41, x, b1); c42 = madd(c42, x, b2); c43 = madd(c43, x, b3)
    x = v128.load32_splat(a, 52); c50 = madd(c50, x, b0); c51 = madd(c51, x, b1); c52 = madd(c52, x, b2); c53 = madd(c53, x, b3)
    x = v128.load32_splat(a, 56); c60 = madd(c60, x, b0); c61 = madd(c61, x, b1); c62 = madd(c62, x, b2); c63 = madd(c63, x, b3)
    x = v128.load32_splat(a, 60); c70 = madd(c70, x, b0); c71 = madd(c71, x, b1); c72 = madd(c72, x, b2); c73 = madd(c73, x, b3)
    a += 64; b += 128
  }
  if ((k & 1) != 0) {
    b0 = v128.load(b); b1 = v128.load(b, 16); b2 = v128.load(b, 32); b3 = v128.load(b, 48)
    x = v128.load32_splat(a); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1); c02 = madd(c02, x, b2); c03 = madd(c03, x, b3)
    x = v128.load32_splat(a, 4); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1); c12 = madd(c12, x, b2); c13 = madd(c13, x, b3)
    x = v128.load32_splat(a, 8); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1); c22 = madd(c22, x, b2); c23 = madd(c23, x, b3)
    x = v128.load32_splat(a, 12); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1); c32 = madd(c32, x, b2); c33 = madd(c33, x, b3)
    x = v128.load32_splat(a, 16); c40 = madd(c40, x, b0); c41 = madd(c41, x, b1); c42 = madd(c42, x, b2); c43 = madd(c43, x, b3)
    x = v128.load32_splat(a, 20); c50 = madd(c50, x, b0); c51 = madd(c51, x, b1); c52 = madd(c52, x, b2); c53 = madd(c53, x, b3)
    x = v128.load32_splat(a, 24); c60 = madd(c60, x, b0); c61 = madd(c61, x, b1); c62 = madd(c62, x, b2); c63 = madd(c63, x, b3)
    x = v128.load32_splat(a, 28); c70 = madd(c70, x, b0); c71 = madd(c71, x, b1); c72 = madd(c72, x, b2); c73 = madd(c73, x, b3)
  }
  v128.store(c, c00); v128.store(c, c01, 16); v128.store(c, c02, 32); v128.store(c, c03, 48)
  v128.store(c1, c10); v128.store(c1, c11, 16); v128.store(c1, c12, 32); v128.store(c1, c13, 48)
  v128.store(c2, c20); v128.store(c2, c21, 16); v128.store(c2, c22, 32); v128.store(c2, c23, 48)
  v128.store(c3, c30); v128.store(c3, c31, 16); v128.store(c3, c32, 32); v128.store(c3, c33, 48)
  v128.store(c4, c40); v128.store(c4, c41, 16); v128.store(c4, c42, 32); v128.store(c4, c43, 48)
  v128.store(c5, c50); v128.store(c5, c51, 16); v128.store(c5, c52, 32); v128.store(c5, c53, 48)
  v128.store(c6, c60); v128.store(c6, c61, 16); v128.store(c6, c62, 32); v128.store(c6, c63, 48)
  v128.store(c7, c70); v128.store(c7, c71, 16); v128.store(c7, c72, 32); v128.store(c7, c73, 48)
}
