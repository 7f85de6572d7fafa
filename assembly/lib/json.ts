// Reading JSON where it lies: members are found by scanning, values are addresses. Nothing recurses, nothing is copied.
// Made for small texts that the server wrote canonically; a text that is not JSON is at worst misread, never overrun.

const QUOTE: u8 = 0x22
const BACKSLASH: u8 = 0x5c
const EXACT_MAX: u64 = 9007199254740991

/** The value of member `key` of the object at `object`, or 0 if that is no object or has no such member. */
export function member(object: usize, end: usize, key: string): usize {
  let at = skipSpace(object, end)
  if (byteAt(at, end) != 0x7b) return 0
  at = skipSpace(at + 1, end)
  while (byteAt(at, end) == QUOTE) {
    const matches = textIs(at, end, key)
    at = skipSpace(skipText(at, end), end)
    if (byteAt(at, end) != 0x3a) return 0
    at = skipSpace(at + 1, end)
    if (matches) return at
    at = skipSpace(skipValue(at, end), end)
    if (byteAt(at, end) != 0x2c) return 0
    at = skipSpace(at + 1, end)
  }
  return 0
}

/** Whether the text is one value that is not cut. */
export function isComplete(text: usize, end: usize): bool {
  return text < end && skipSpace(skipValue(skipSpace(text, end), end), end) == end
}

/** Whether the value at `at` is the string `text`, written without escapes. */
export function textIs(at: usize, end: usize, text: string): bool {
  const length = usize(text.length)
  if (at == 0 || at + length + 2 > end || load<u8>(at) != QUOTE) return false
  for (let i: usize = 0; i < length; i++) {
    if (u16(load<u8>(at + 1 + i)) != load<u16>(changetype<usize>(text) + (i << 1))) return false
  }
  return load<u8>(at + 1 + length) == QUOTE
}

/**
 * The number at `at`, exactly as IEEE 754 rounds it: its digits without trailing zeros, an integer below 2^53, times or over a
 * power of ten up to 10^22, one rounding. Numbers outside that (and whatever is no number) give NaN.
 */
export function numberAt(at: usize, end: usize): f64 {
  if (at == 0) return NaN
  const negative = byteAt(at, end) == 0x2d
  if (negative) at += 1
  if (!isDigit(byteAt(at, end))) return NaN
  let digits: u64 = 0
  let zeros: i32 = 0 // read, but not yet in `digits`: trailing ones only raise the exponent
  let exponent: i32 = 0
  let fraction = false
  for (let c = byteAt(at, end); isDigit(c) || (c == 0x2e && !fraction); c = byteAt(at, end)) {
    at += 1
    if (c == 0x2e) {
      fraction = true
      continue
    }
    if (fraction) exponent -= 1
    zeros += 1
    if (c == 0x30) continue
    for (; zeros > 0 && digits <= EXACT_MAX; zeros--) digits *= 10
    digits += u64(c - 0x30)
    if (digits > EXACT_MAX) return NaN
  }
  exponent += zeros
  exponent += exponentAt(at, end)
  if (exponent > 22 || exponent < -22) return NaN
  const value = exponent < 0 ? f64(digits) / powerOfTen(-exponent) : f64(digits) * powerOfTen(exponent)
  return negative ? -value : value
}

// The `e-7` behind the digits, or 0; 99 (out of range) when it is malformed or too long.
function exponentAt(at: usize, end: usize): i32 {
  if ((byteAt(at, end) | 0x20) != 0x65) return 0
  at += 1
  const sign = byteAt(at, end)
  if (sign == 0x2d || sign == 0x2b) at += 1
  if (!isDigit(byteAt(at, end))) return 99
  let value: i32 = 0
  for (let c = byteAt(at, end); isDigit(c) && value < 99; c = byteAt(at, end)) {
    value = value * 10 + i32(c - 0x30)
    at += 1
  }
  return sign == 0x2d ? -value : value
}

function powerOfTen(exponent: i32): f64 {
  let value: f64 = 1
  for (let i = 0; i < exponent; i++) value *= 10 // exact up to 10^22
  return value
}

@inline function isDigit(c: u8): bool {
  return c >= 0x30 && c <= 0x39
}

// 0 stands for the end: it occurs nowhere in JSON.
@inline function byteAt(at: usize, end: usize): u8 {
  return at < end ? load<u8>(at) : 0
}

function skipSpace(at: usize, end: usize): usize {
  for (let c = byteAt(at, end); c == 0x20 || c == 0x09 || c == 0x0a || c == 0x0d; c = byteAt(at, end)) at += 1
  return at
}

// `at` is the opening quote; the answer lies behind the closing one.
function skipText(at: usize, end: usize): usize {
  at += 1
  for (let c = byteAt(at, end); c != QUOTE && at < end; c = byteAt(at, end)) at += c == BACKSLASH ? 2 : 1
  return at + 1
}

// Behind the value at `at`, beyond `end` if it is cut. Brackets are counted, strings stepped over, the rest belongs to scalars.
function skipValue(at: usize, end: usize): usize {
  let depth = 0
  while (at < end) {
    const c = byteAt(at, end)
    if (c == QUOTE) at = skipText(at, end)
    else if (depth == 0 && (c == 0x2c || c == 0x7d || c == 0x5d)) return at
    else at += 1
    if (c == 0x7b || c == 0x5b) depth += 1
    if (c == 0x7d || c == 0x5d) depth -= 1
    if (depth == 0 && (c == QUOTE || c == 0x7d || c == 0x5d)) return at
  }
  return depth == 0 ? at : end + 1
}
