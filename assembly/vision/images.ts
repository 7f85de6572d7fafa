// A split as the importer writes it: an IDX file of labels (u8) and behind it the IDX file of their images (u8, count x rows x
// columns). IDX numbers are big-endian.

import { slotBytes, slotStart } from '../lib/slots'

const IMAGES_MAGIC: u32 = 0x00000803
const LABELS_MAGIC: u32 = 0x00000801
const IMAGES_HEADER: u32 = 16
const LABELS_HEADER: u32 = 8
const SIDE_MIN: u32 = 4
const SIDE_MAX: u32 = 32
export const CLASSES_MAX: u32 = 64

@unmanaged
export class Split {
  count: u32
  height: u32
  width: u32
  images: usize
  labels: usize
}

/** Reads the headers of the split in `slot`; false unless it is whole, and its images 4 to 32 pixels high and wide. */
export function readSplit(split: Split, slot: u32): bool {
  const start = slotStart(slot)
  const bytes = u64(slotBytes(slot))
  if (bytes < u64(LABELS_HEADER) || bigEndian(start) != LABELS_MAGIC) return false
  const count = bigEndian(start + 4)
  const before = u64(LABELS_HEADER) + u64(count) + u64(IMAGES_HEADER)
  if (count < 1 || bytes < before) return false
  const images = start + usize(LABELS_HEADER + count)
  if (bigEndian(images) != IMAGES_MAGIC || bigEndian(images + 4) != count) return false
  const height = bigEndian(images + 8)
  const width = bigEndian(images + 12)
  if (height < SIDE_MIN || height > SIDE_MAX || width < SIDE_MIN || width > SIDE_MAX) return false
  if (bytes != before + u64(count) * u64(height * width)) return false
  split.count = count
  split.height = height
  split.width = width
  split.labels = start + usize(LABELS_HEADER)
  split.images = images + usize(IMAGES_HEADER)
  return true
}

/** One more than the greatest label. */
export function classesOf(split: Split): u32 {
  let greatest: u32 = 0
  for (let i: u32 = 0; i < split.count; i++) greatest = max(greatest, labelAt(split, i))
  return greatest + 1
}

@inline export function labelAt(split: Split, index: u32): u32 {
  return u32(load<u8>(split.labels + usize(index)))
}

const SCALE = memory.data<f32>([0.00392156862745098], 16) // 1 / 255

/**
 * Writes image `index` to `out`, whose rows are `stride` floats apart, as pixel / 255, moved down by `down` and right by
 * `right` pixels; what moves in is 0.
 */
export function writeImage(out: usize, stride: u32, split: Split, index: u32, down: i32, right: i32): void {
  const height = i32(split.height)
  const width = i32(split.width)
  const image = split.images + usize(index * split.height * split.width)
  for (let y = 0; y < height; y++) {
    const from = y - down
    if (from < 0 || from >= height || right != 0) memory.fill(out, 0, usize(width) << 2)
    if (from >= 0 && from < height) {
      const first = max(0, -right)
      const count = width - abs(right)
      writeRow(out + (usize(first + right) << 2), image + usize(from * width + first), u32(count))
    }
    out += usize(stride) << 2
  }
}

function writeRow(out: usize, pixels: usize, count: u32): void {
  const end = out + (usize(count) << 2)
  const whole = out + (usize(count & ~7) << 2)
  const scale = v128.load32_splat(SCALE)
  while (out < whole) {
    const words = i16x8.extend_low_i8x16_u(v128.load64_zero(pixels))
    const low = f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(words))
    const high = f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(words))
    v128.store(out, f32x4.mul(low, scale))
    v128.store(out, f32x4.mul(high, scale), 16)
    out += 32
    pixels += 8
  }
  while (out < end) {
    store<f32>(out, f32(load<u8>(pixels)) * load<f32>(SCALE))
    out += 4
    pixels += 1
  }
}

@inline function bigEndian(at: usize): u32 {
  return bswap<u32>(load<u32>(at))
}
