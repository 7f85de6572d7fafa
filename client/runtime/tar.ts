// A reader of ustar archives, as far as kernel releases need it: plain files by name. Writing is the server's business.

const BLOCK = 512
const decoder = new TextDecoder()

/**
 * The first file called `name` in a tar, or undefined when there is none, or the archive is cut or malformed before it.
 * Long-name and extended headers are stepped over: the two files that clients read have short names.
 */
export function tarFile(tar: Uint8Array, name: string): Uint8Array | undefined {
  for (let at = 0; at + BLOCK <= tar.length; ) {
    const size = octal(text(tar, at + 124, 12))
    const start = at + BLOCK
    if (size === undefined || start + size > tar.length) return undefined
    const type = text(tar, at + 156, 1)
    const prefix = text(tar, at + 345, 155)
    const path = prefix === '' ? text(tar, at, 100) : `${prefix}/${text(tar, at, 100)}`
    if ((type === '0' || type === '') && path === name) return tar.subarray(start, start + size)
    at = start + Math.ceil(size / BLOCK) * BLOCK
  }
  return undefined
}

/** A header field up to its NUL. */
function text(tar: Uint8Array, at: number, length: number): string {
  const field = tar.subarray(at, at + length)
  const end = field.indexOf(0)
  return decoder.decode(end < 0 ? field : field.subarray(0, end))
}

function octal(digits: string): number | undefined {
  const trimmed = digits.trim()
  if (trimmed === '') return 0 // the zero blocks at the end
  return /^[0-7]+$/.test(trimmed) ? Number.parseInt(trimmed, 8) : undefined
}
