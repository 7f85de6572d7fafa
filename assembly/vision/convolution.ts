// 3 x 3 convolutions over grids (grid.ts), computed where they lie: the nine neighbours of position p are three runs of
// channels, one of each row above, of and below p, and each run is contiguous in memory. So a convolution is a product whose
// rows overlap; nothing is copied or packed. Terms of one output are added in the order of SPEC.md: neighbours by row, then
// by column, then by channel. Output channels are vectorised, four positions by eight channels at a time.
//
// A run has `taps` floats, a multiple of four: three times the channels, or, of an image with one channel, four: the last one
// meets weights that are zero, which changes no sum.

import { gridLead, gridStride } from './grid'

const POSITIONS = 4
const CHANNELS = 8
// Of the gradient's inner loop: 256 positions of both operands stay in the first cache.
const POSITION_BLOCK: u32 = 256

@inline function madd(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b))
}

/**
 * out (positions, outs) = the convolution of the grid at `input` with weights (3 taps, outs), row-major. `positions` is
 * rounded up to a multiple of four; what comes out at positions that are no pixels is of no use.
 * @param channels of the input @param width of the images @param outs a multiple of eight
 */
export function convolve(
  out: usize, input: usize, weights: usize, positions: u32, width: u32, channels: u32, taps: u32, outs: u32,
): void {
  const step = usize(channels) << 2
  const rowBytes = usize(gridStride(width) * channels) << 2
  const outBytes = usize(outs) << 2
  let first = input - (usize(gridLead(width) * channels) << 2) // the neighbour above and to the left
  for (let p: u32 = 0; p < positions; p += POSITIONS) {
    for (let o: u32 = 0; o < outs; o += CHANNELS) {
      strip(out + (usize(o) << 2), outBytes, first, step, rowBytes, weights + (usize(o) << 2), taps)
    }
    first += step << 2
    out += outBytes << 2
  }
}

// Four positions by eight channels, three runs. One line per position and tap: the pattern is the documentation.
function strip(out: usize, outBytes: usize, a: usize, step: usize, rowBytes: usize, w: usize, taps: u32): void {
  let c00 = i32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00
  let x: v128, b0: v128, b1: v128
  const step2 = step << 1, step3 = step2 + step
  for (let row = 0; row < 3; row++) {
    const end = a + (usize(taps) << 2)
    for (let at = a; at < end; at += 16) {
      b0 = v128.load(w); b1 = v128.load(w, 16)
      x = v128.load32_splat(at); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1)
      x = v128.load32_splat(at + step); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1)
      x = v128.load32_splat(at + step2); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1)
      x = v128.load32_splat(at + step3); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1)
      w += outBytes
      b0 = v128.load(w); b1 = v128.load(w, 16)
      x = v128.load32_splat(at, 4); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1)
      x = v128.load32_splat(at + step, 4); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1)
      x = v128.load32_splat(at + step2, 4); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1)
      x = v128.load32_splat(at + step3, 4); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1)
      w += outBytes
      b0 = v128.load(w); b1 = v128.load(w, 16)
      x = v128.load32_splat(at, 8); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1)
      x = v128.load32_splat(at + step, 8); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1)
      x = v128.load32_splat(at + step2, 8); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1)
      x = v128.load32_splat(at + step3, 8); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1)
      w += outBytes
      b0 = v128.load(w); b1 = v128.load(w, 16)
      x = v128.load32_splat(at, 12); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1)
      x = v128.load32_splat(at + step, 12); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1)
      x = v128.load32_splat(at + step2, 12); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1)
      x = v128.load32_splat(at + step3, 12); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1)
      w += outBytes
    }
    a += rowBytes
  }
  v128.store(out, c00); v128.store(out, c01, 16)
  out += outBytes
  v128.store(out, c10); v128.store(out, c11, 16)
  out += outBytes
  v128.store(out, c20); v128.store(out, c21, 16)
  out += outBytes
  v128.store(out, c30); v128.store(out, c31, 16)
}

/**
 * slopes (3 taps, outs) += the gradient of the weights: for each weight the products of its neighbour and `dout`, added
 * in the order of positions. `dout` (positions, outs) is zero at positions that are no pixels, which changes no sum.
 */
export function convolveSlopes(
  slopes: usize, input: usize, dout: usize, positions: u32, width: u32, channels: u32, taps: u32, outs: u32,
): void {
  const rowBytes = usize(gridStride(width) * channels) << 2
  const outBytes = usize(outs) << 2
  const first = input - (usize(gridLead(width) * channels) << 2)
  for (let p: u32 = 0; p < positions; p += POSITION_BLOCK) {
    const count = min(POSITION_BLOCK, positions - p)
    const d = dout + usize(p) * outBytes
    let slope = slopes
    for (let row = 0; row < 3; row++) {
      const a = first + usize(row) * rowBytes + (usize(p * channels) << 2)
      for (let t: u32 = 0; t < taps; t += 4) {
        for (let o: u32 = 0; o < outs; o += CHANNELS) {
          const at = usize(o) << 2
          slopeTile(slope + at, outBytes, a + (usize(t) << 2), usize(channels) << 2, d + at, count)
        }
        slope += outBytes << 2
      }
    }
  }
}

// Four taps by eight channels over `count` positions, two at a time and the odd one behind.
function slopeTile(slope: usize, outBytes: usize, a: usize, step: usize, d: usize, count: u32): void {
  const s1 = slope + outBytes, s2 = s1 + outBytes, s3 = s2 + outBytes
  let c00 = v128.load(slope), c01 = v128.load(slope, 16), c10 = v128.load(s1), c11 = v128.load(s1, 16)
  let c20 = v128.load(s2), c21 = v128.load(s2, 16), c30 = v128.load(s3), c31 = v128.load(s3, 16)
  let x: v128, b0: v128, b1: v128
  const pairs = d + usize(count & ~1) * outBytes
  while (d < pairs) {
    b0 = v128.load(d); b1 = v128.load(d, 16)
    x = v128.load32_splat(a); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1)
    x = v128.load32_splat(a, 4); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1)
    x = v128.load32_splat(a, 8); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1)
    x = v128.load32_splat(a, 12); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1)
    d += outBytes
    a += step
    b0 = v128.load(d); b1 = v128.load(d, 16)
    x = v128.load32_splat(a); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1)
    x = v128.load32_splat(a, 4); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1)
    x = v128.load32_splat(a, 8); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1)
    x = v128.load32_splat(a, 12); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1)
    d += outBytes
    a += step
  }
  if ((count & 1) == 1) {
    b0 = v128.load(d); b1 = v128.load(d, 16)
    x = v128.load32_splat(a); c00 = madd(c00, x, b0); c01 = madd(c01, x, b1)
    x = v128.load32_splat(a, 4); c10 = madd(c10, x, b0); c11 = madd(c11, x, b1)
    x = v128.load32_splat(a, 8); c20 = madd(c20, x, b0); c21 = madd(c21, x, b1)
    x = v128.load32_splat(a, 12); c30 = madd(c30, x, b0); c31 = madd(c31, x, b1)
  }
  v128.store(slope, c00); v128.store(slope, c01, 16)
  v128.store(s1, c10); v128.store(s1, c11, 16)
  v128.store(s2, c20); v128.store(s2, c21, 16)
  v128.store(s3, c30); v128.store(s3, c31, 16)
}

/**
 * The weights (9 channels, outs) turned round: (9 outs, channels), the neighbours in reverse order. A convolution of the
 * output's gradient with them is the gradient of the input.
 */
export function turnWeights(turned: usize, weights: usize, channels: u32, outs: u32): void {
  for (let n: u32 = 0; n < 9; n++) {
    const from = weights + (usize((8 - n) * channels * outs) << 2)
    for (let o: u32 = 0; o < outs; o++) {
      for (let c: u32 = 0; c < channels; c++) {
        store<f32>(turned, load<f32>(from + (usize(c * outs + o) << 2)))
        turned += 4
      }
    }
  }
}
