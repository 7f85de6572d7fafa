// Writing JSON into a buffer. Numbers that are not integers are written as a string of the 16 hex digits of their f64 bits:
// exact, short, and no code of ours has to print decimals.

let start: usize = 0
let at: usize = 0
let limit: usize = 0

/** Begins a new text in `capacity` bytes at `buffer`. */
export function begin(buffer: usize, capacity: u32): void {
  start = buffer
  at = buffer
  limit = buffer + usize(capacity)
}

/** Bytes written since `begin`. */
export function written(): u32 {
  return u32(at - start)
}

/** ASCII text, as it stands. */
export function write(text: string): void {
  const length = usize(text.length)
  if (at + length > limit) unreachable()
  for (let i: usize = 0; i < length; i++) store<u8>(at + i, load<u8>(changetype<usize>(text) + (i << 1)))
  at += length
}

/** A non-negative integer in decimal. */
export function writeInteger(value: u64): void {
  let digits: usize = 1
  for (let rest = value / 10; rest > 0; rest /= 10) digits += 1
  if (at + digits > limit) unreachable()
  for (let i = digits; i > 0; i--) {
    store<u8>(at + i - 1, u8(0x30 + value % 10))
    value /= 10
  }
  at += digits
}

/** The bits of `value` as a JSON string of 16 lower-case hex digits; NaN, whose bits differ between machines, as null. */
export function writeFloat(value: f64): void {
  if (value != value) {
    write('null')
    return
  }
  if (at + 18 > limit) unreachable()
  const bits = reinterpret<u64>(value)
  store<u8>(at, 0x22)
  for (let i: usize = 0; i < 16; i++) {
    const digit = u8((bits >> (60 - (u64(i) << 2))) & 15)
    store<u8>(at + 1 + i, digit < 10 ? digit + 0x30 : digit + 0x57)
  }
  store<u8>(at + 17, 0x22)
  at += 18
}
