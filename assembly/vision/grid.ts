// A grid is a batch of images as a convolution reads it: pixel (y, x) of image s lies at position s P + y (w + 1) + x, with
// P = (h + 1)(w + 1), its channels side by side. The position behind each row and the row behind each image are zeros, as
// is what lies before and behind all: so every neighbour of a pixel is at a fixed distance, and the border needs no case.

/** Positions from row to row. */
@inline export function gridStride(width: u32): u32 {
  return width + 1
}

/** Positions of an image of `height` x `width`. */
@inline export function gridPositions(height: u32, width: u32): u32 {
  return (height + 1) * (width + 1)
}

/** Positions before the first image: what its first pixel's neighbours above need. */
@inline export function gridLead(width: u32): u32 {
  return width + 2
}

/** Floats of a grid with all its zeros: behind the last image what its neighbours and a strip of four positions read. */
export function gridFloats(images: u32, height: u32, width: u32, channels: u32): u32 {
  return (images * gridPositions(height, width) + 2 * gridLead(width) + 8) * channels
}

/** Copies `images` dense images (height, width, channels) into the grid at `grid` (its first pixel). */
export function toGrid(grid: usize, dense: usize, images: u32, height: u32, width: u32, channels: u32): void {
  const rowBytes = usize(width * channels) << 2
  const gridRow = usize(gridStride(width) * channels) << 2
  for (let s: u32 = 0; s < images; s++) {
    for (let y: u32 = 0; y < height; y++) {
      copy(grid, dense, rowBytes)
      grid += gridRow
      dense += rowBytes
    }
    grid += gridRow
  }
}

/** The reverse: only pixels are read. */
export function fromGrid(dense: usize, grid: usize, images: u32, height: u32, width: u32, channels: u32): void {
  const rowBytes = usize(width * channels) << 2
  const gridRow = usize(gridStride(width) * channels) << 2
  for (let s: u32 = 0; s < images; s++) {
    for (let y: u32 = 0; y < height; y++) {
      copy(dense, grid, rowBytes)
      grid += gridRow
      dense += rowBytes
    }
    grid += gridRow
  }
}

// `bytes` is a multiple of 32: channels are multiples of eight.
@inline function copy(to: usize, from: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 32) {
    v128.store(to + i, v128.load(from + i))
    v128.store(to + i, v128.load(from + i, 16), 16)
  }
}
