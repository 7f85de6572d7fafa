// Max-pooling of 2 x 2 pixels from a grid, and the way back. An odd last row or column is left out. Of equal pixels the
// first counts: above left, above right, below left, below right.

import { gridStride } from './grid'

/**
 * out (images, height / 2, width / 2, channels) = the greatest of each four pixels of the grid; `which` receives their
 * places, 0 to 3, as i32.
 */
export function pool(out: usize, which: usize, grid: usize, images: u32, height: u32, width: u32, channels: u32): void {
  const pixel = usize(channels) << 2
  const row = usize(gridStride(width)) * pixel
  for (let s: u32 = 0; s < images; s++) {
    for (let y: u32 = 0; y < height >> 1; y++) {
      const line = grid + (usize(s * (height + 1) + 2 * y) * row)
      for (let x: u32 = 0; x < width >> 1; x++) {
        const at = line + usize(2 * x) * pixel
        for (let c: usize = 0; c < pixel; c += 16) {
          let best = v128.load(at + c)
          let place = i32x4.splat(0)
          const right = v128.load(at + c + pixel)
          let greater = f32x4.gt(right, best)
          best = v128.bitselect(right, best, greater)
          place = v128.bitselect(i32x4.splat(1), place, greater)
          const below = v128.load(at + c + row)
          greater = f32x4.gt(below, best)
          best = v128.bitselect(below, best, greater)
          place = v128.bitselect(i32x4.splat(2), place, greater)
          const last = v128.load(at + c + row + pixel)
          greater = f32x4.gt(last, best)
          v128.store(out, v128.bitselect(last, best, greater))
          v128.store(which, v128.bitselect(i32x4.splat(3), place, greater))
          out += 16
          which += 16
        }
      }
    }
  }
}

/** The gradient goes to the pixel that was greatest, zeros to the other three; the rest of the grid is left alone. */
export function unpool(grid: usize, which: usize, dout: usize, images: u32, height: u32, width: u32, channels: u32): void {
  const pixel = usize(channels) << 2
  const row = usize(gridStride(width)) * pixel
  for (let s: u32 = 0; s < images; s++) {
    for (let y: u32 = 0; y < height >> 1; y++) {
      const line = grid + (usize(s * (height + 1) + 2 * y) * row)
      for (let x: u32 = 0; x < width >> 1; x++) {
        const at = line + usize(2 * x) * pixel
        for (let c: usize = 0; c < pixel; c += 16) {
          const d = v128.load(dout)
          const place = v128.load(which)
          v128.store(at + c, v128.and(d, i32x4.eq(place, i32x4.splat(0))))
          v128.store(at + c + pixel, v128.and(d, i32x4.eq(place, i32x4.splat(1))))
          v128.store(at + c + row, v128.and(d, i32x4.eq(place, i32x4.splat(2))))
          v128.store(at + c + row + pixel, v128.and(d, i32x4.eq(place, i32x4.splat(3))))
          dout += 16
          which += 16
        }
      }
    }
  }
}
