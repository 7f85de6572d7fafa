// A bump allocator over linear memory, from the end of the static data up. Nothing is ever freed: a kernel computes
// what it needs from its recipe, takes it once, and never grows its memory after `xee_init`.

const PAGE_BYTES: u64 = 65536

let top: usize = 0

/** Takes `bytes` at a cache line's boundary, 64 bytes; 0 if the memory would exceed `pagesMax` pages of 64 KiB. The bytes are zero. */
export function reserve(bytes: u64, pagesMax: u32): usize {
  if (top == 0) top = align(__heap_base)
  const end = u64(top) + bytes
  const pages = (end + PAGE_BYTES - 1) / PAGE_BYTES
  if (pages > u64(pagesMax)) return 0
  const present = u64(memory.size())
  if (pages > present && memory.grow(i32(pages - present)) < 0) return 0
  const start = top
  top = align(usize(end))
  return start
}

// `end` may be the last byte of a 4 GiB memory only if pagesMax allowed it; limits are far below, so this cannot wrap.
@inline function align(address: usize): usize {
  return (address + 63) & ~63
}
