import { canonicalJson, fromUtf8, hex, sha256, utf8 } from '#protocol/canonical.ts'

// magic, 8 bytes | header length, u32 little-endian | header, JSON | body | SHA-256 of all before it, 32 bytes
const MAGIC_BYTES = 8
const HEADER_AT = MAGIC_BYTES + 4
const HASH_BYTES = 32

interface Sealed {
  readonly header: unknown
  /** A view of the file. */
  readonly body: Uint8Array
}

/** A file that knows whether it is whole: `magic` of eight characters names its kind; `body` is copied. */
export async function seal(magic: string, header: object, body: Uint8Array): Promise<Uint8Array> {
  const head = utf8(canonicalJson(header))
  const end = HEADER_AT + head.length + body.length
  const bytes = new Uint8Array(end + HASH_BYTES)
  bytes.set(utf8(magic), 0)
  new DataView(bytes.buffer).setUint32(MAGIC_BYTES, head.length, true)
  bytes.set(head, HEADER_AT)
  bytes.set(body, HEADER_AT + head.length)
  bytes.set(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.subarray(0, end))), end)
  return bytes
}

/** What was sealed under this magic; undefined for bytes that are damaged, or of another kind. */
export async function unseal(magic: string, bytes: Uint8Array): Promise<Sealed | undefined> {
  const end = bytes.length - HASH_BYTES
  if (end < HEADER_AT || utf8(magic).some((byte, i) => bytes[i] !== byte)) return undefined
  if ((await sha256(bytes.subarray(0, end))) !== hex(bytes.subarray(end))) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bodyAt = HEADER_AT + view.getUint32(MAGIC_BYTES, true)
  if (bodyAt > end) return undefined
  return {
    header: JSON.parse(fromUtf8(bytes.subarray(HEADER_AT, bodyAt))),
    body: bytes.subarray(bodyAt, end),
  }
}
