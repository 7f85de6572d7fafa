/** A half-open range of bytes. */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * `count` windows of `bytes` bytes, evenly spaced over a text of `total` bytes: the first at its start, the last at its
 * end, the others in between, starts rounded down. Throws when they would overlap.
 */
export function evenWindows(total: number, count: number, bytes: number): Span[] {
  if (count < 2 || count * bytes > total) {
    throw new RangeError(`${count} windows of ${bytes} bytes do not fit in ${total} bytes`)
  }
  return Array.from({ length: count }, (_, index) => {
    const start = Math.floor((index * (total - bytes)) / (count - 1))
    return { start, end: start + bytes }
  })
}

/** What the ascending windows leave of a text of `total` bytes, in order. */
export function gapsBetween(total: number, windows: readonly Span[]): Span[] {
  const starts = [0, ...windows.map(window => window.end)]
  const ends = [...windows.map(window => window.start), total]
  return starts
    .map((start, index) => ({ start, end: ends[index] ?? total }))
    .filter(gap => gap.end > gap.start)
}

/** The bytes of the spans, one after the other. */
export function joinSpans(text: Uint8Array, spans: readonly Span[]): Uint8Array {
  return Buffer.concat(spans.map(span => text.subarray(span.start, span.end)))
}
