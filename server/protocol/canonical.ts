import canonicalize from 'canonicalize'
import { Sha256 } from './units.ts'

/**
 * RFC 8785 text of a JSON value: sorted keys, shortest numbers, no space. The form under every hash and signature.
 * @throws TypeError when the value is not JSON (undefined, NaN, a cycle)
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('not a JSON value')
  return text
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text)
/** @throws TypeError on bytes that are not UTF-8 */
export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes)

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('')

/** SHA-256 through WebCrypto, which Node and browsers share. */
export async function sha256(bytes: Uint8Array): Promise<Sha256> {
  return Sha256.parse(hex(new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)))))
}

export const sha256Text = (text: string): Promise<Sha256> => sha256(utf8(text))
