// Trains nothing: its metric is a hash of its job, so that a server can be measured by hosts that compute nothing. SPEC.md is
// the arithmetic. No global is mutable: the state is the eight bytes of the weights.

const JOB_BYTES_MAX: i32 = 65536
const output = memory.data(512, 16)
const weights = memory.data(8, 16) // two FNV-1a hashes
const job = memory.data(65536, 16)

// ---- What a run knows, at places in memory.
const run = memory.data(20, 4)
@inline function length(): u32 { return load<u32>(run) }
@inline function updates(): u32 { return load<u32>(run, 4) }
@inline function evaluating(): bool { return load<u32>(run, 8) != 0 }
@inline function finished(): bool { return load<u32>(run, 12) != 0 }
@inline function outputBytes(): u32 { return load<u32>(run, 16) }

export function xee_abi(): i32 { return 1 }

export function xee_alloc(slot: i32, bytes: i32): i32 {
  if (slot == 1 && bytes == 8) {
    store<u32>(run, 1, 8)
    return i32(weights)
  }
  if (slot != 0 || bytes < 0 || bytes > JOB_BYTES_MAX) return 0
  store<u32>(run, u32(bytes))
  return i32(job)
}

export function xee_init(): i32 {
  say()
  return 0
}

export function xee_step(fuelLeft: i64): i32 {
  if (fuelLeft < 0) return -1
  if (!evaluating()) {
    store<u32>(run, updates() + 1, 4)
    if (updates() < updatesAsked()) return 0
    hash()
  }
  store<u32>(run, 1, 12)
  say()
  return 1
}

export function xee_output(): i32 { return i32(output) }
export function xee_output_len(): i32 { return i32(outputBytes()) }
export function xee_state(): i32 { return i32(weights) }
export function xee_state_len(): i32 { return 8 }
export function xee_artifact(): i32 { return i32(weights) }
export function xee_artifact_len(): i32 { return finished() && !evaluating() ? 8 : 0 }

function hash(): void {
  let first: u32 = 0x811c9dc5
  let second: u32 = ~first
  for (let i: u32 = 0; i < length(); i++) {
    const byte = u32(load<u8>(job + i))
    first = (first ^ byte) * 0x01000193
    second = (second ^ byte) * 0x01000193
  }
  store<u32>(weights, first)
  store<u32>(weights, second, 4)
}

/** N of {"updates":N}; 1 of a job that does not say so. */
function updatesAsked(): u32 {
  const name = '"updates":'
  for (let at: u32 = 0; at + u32(name.length) < length(); at++) {
    let same = 0
    while (same < name.length && load<u8>(job + at + same) == u8(name.charCodeAt(same))) same++
    if (same == name.length) return wholeAt(at + same)
  }
  return 1
}

function wholeAt(at: u32): u32 {
  let n: u32 = 0
  for (; at < length() && load<u8>(job + at) >= 48 && load<u8>(job + at) <= 57; at++)
    n = n * 10 + load<u8>(job + at) - 48
  return n
}

@inline function putByte(byte: u8): void {
  store<u8>(output + outputBytes(), byte)
  store<u32>(run, outputBytes() + 1, 16)
}

function put(text: string): void {
  for (let i = 0; i < text.length; i++) putByte(u8(text.charCodeAt(i)))
}

function putWhole(n: u32): void {
  let unit: u32 = 1
  while (n / unit > 9) unit *= 10
  for (; unit > 0; unit /= 10) putByte(u8(48 + n / unit % 10))
}

/** The sixteen hexadecimal digits of a number's bits. */
function putFloat(value: f64): void {
  const bits = reinterpret<u64>(value)
  put('"')
  for (let i: i32 = 60; i >= 0; i -= 4) {
    const digit = u8((bits >> u64(i)) & 15)
    putByte(digit + (digit < 10 ? 48 : 87))
  }
  put('"')
}

function say(): void {
  store<u32>(run, 0, 16)
  if (!finished()) return put('{"status":"running","metric":null,"curve":[],"counters":{"updates":0}}')
  const metric = (f64(load<u32>(weights)) + f64(load<u32>(weights, 4) >> 11) / 2097152.0) / 4294967296.0
  put('{"status":"ok","metric":{"name":"noise","value":')
  putFloat(metric)
  put('},"curve":[{"update":')
  putWhole(updates())
  put(',"fuel":"3ff0000000000000","train":null,"val":') // 1: all of it
  putFloat(metric)
  put('}],"counters":{"updates":')
  putWhole(updates())
  put('}}')
}
