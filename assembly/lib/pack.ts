// Packing for the matrix product: a block of A becomes strips of 8 rows, a block of B panels of 16 columns, both with k
// outermost, so that the micro-kernel reads both front to back. Missing rows and columns of the last strip are zeros.

/**
 * Packs `count` lanes (rows of A, columns of B) by `k` of a matrix whose element (lane i, k) is at source[i * stride + k].
 * `lanes` is the strip's width, 8 or 16; strips follow each other, each k * lanes floats.
 */
export function packAlongRows(out: usize, source: usize, stride: usize, count: u32, k: u32, lanes: u32): void {
  const strip = usize(lanes) << 2
  for (let first: u32 = 0; first < count; first += lanes) {
    for (let group: u32 = 0; group < lanes; group += 4) {
      const lane = first + group
      const from = source + ((usize(lane) * stride) << 2)
      const to = out + (usize(group) << 2)
      if (lane + 4 <= count) transposeFour(to, from, stride << 2, k, strip)
      else copyLanes(to, from, stride << 2, 4, lane < count ? count - lane : 0, k, strip)
    }
    out += usize(k) * strip
  }
}

/** As `packAlongRows`, of a matrix whose element (lane i, k) is at source[k * stride + i]: the lanes lie side by side. */
export function packAcrossRows(out: usize, source: usize, stride: usize, count: u32, k: u32, lanes: u32): void {
  const strip = usize(lanes) << 2
  const step = stride << 2
  for (let first: u32 = 0; first < count; first += lanes) {
    const from = source + (usize(first) << 2)
    if (first + lanes > count) copyEdge(out, from, step, count - first, k, strip)
    else if (lanes == 16) copySixteen(out, from, step, k)
    else copyEight(out, from, step, k)
    out += usize(k) * strip
  }
}

// k rows, `stride` bytes apart, of which 16 floats each are taken.
function copySixteen(to: usize, from: usize, stride: usize, k: u32): void {
  const end = to + (usize(k) << 6)
  while (to < end) {
    const a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 32), d = v128.load(from, 48)
    v128.store(to, a)
    v128.store(to, b, 16)
    v128.store(to, c, 32)
    v128.store(to, d, 48)
    from += stride
    to += 64
  }
}

// As above, eight floats; two rows a round.
function copyEight(to: usize, from: usize, stride: usize, k: u32): void {
  const end = to + (usize(k & ~1) << 5)
  while (to < end) {
    const a = v128.load(from), b = v128.load(from, 16)
    from += stride
    const c = v128.load(from), d = v128.load(from, 16)
    from += stride
    v128.store(to, a)
    v128.store(to, b, 16)
    v128.store(to, c, 32)
    v128.store(to, d, 48)
    to += 64
  }
  if ((k & 1) == 0) return
  const a = v128.load(from), b = v128.load(from, 16)
  v128.store(to, a)
  v128.store(to, b, 16)
}

// As above, fewer lanes than a strip has: whole vectors, a ragged one, zeros behind.
function copyEdge(to: usize, from: usize, stride: usize, count: u32, k: u32, strip: usize): void {
  for (let group: u32 = 0; (usize(group) << 2) < strip; group += 4) {
    const at = to + (usize(group) << 2)
    const source = from + (usize(group) << 2)
    if (group + 4 <= count) copyFour(at, source, stride, k, strip)
    else copyLanes(at, source, 4, stride, group < count ? count - group : 0, k, strip)
  }
}

// Four rows of k floats, `stride` bytes apart, to k groups of four floats, `strip` bytes apart.
function transposeFour(to: usize, from: usize, stride: usize, k: u32, strip: usize): void {
  const second = from + stride
  const third = second + stride
  const fourth = third + stride
  const whole = usize(k & ~3) << 2
  let at: usize = 0
  for (; at < whole; at += 16) {
    const r0 = v128.load(from + at)
    const r1 = v128.load(second + at)
    const r2 = v128.load(third + at)
    const r3 = v128.load(fourth + at)
    const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
    const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
    const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
    const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
    v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2))
    to += strip
    v128.store(to, v128.shuffle<i64>(low01, low23, 1, 3))
    to += strip
    v128.store(to, v128.shuffle<i64>(high01, high23, 0, 2))
    to += strip
    v128.store(to, v128.shuffle<i64>(high01, high23, 1, 3))
    to += strip
  }
  copyLanes(to, from + at, stride, 4, 4, k & 3, strip)
}

// k rows, `stride` bytes apart, of which four floats each are taken.
function copyFour(to: usize, from: usize, stride: usize, k: u32, strip: usize): void {
  for (let i: u32 = 0; i < k; i++) {
    v128.store(to, v128.load(from))
    from += stride
    to += strip
  }
}

// The scalar way for edges: `present` of four lanes, `laneBytes` apart, over k elements `kBytes` apart; the rest zeros.
function copyLanes(to: usize, from: usize, laneBytes: usize, kBytes: usize, present: u32, k: u32, strip: usize): void {
  for (let i: u32 = 0; i < k; i++) {
    v128.store(to, i32x4.splat(0))
    for (let lane: u32 = 0; lane < present; lane++) {
      store<f32>(to + (usize(lane) << 2), load<f32>(from + usize(lane) * laneBytes))
    }
    from += kBytes
    to += strip
  }
}
