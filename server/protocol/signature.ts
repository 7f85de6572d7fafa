// Ed25519 over WebCrypto, the same in Node and in browsers. Public keys are the raw 32 bytes and signatures the raw
// 64 bytes, both base64url without padding; private keys are PKCS8 in standard base64 (what a PEM file holds).

import { z } from 'zod'

// The last character carries 2 (of 32 bytes) or 4 (of 64 bytes) unused bits; they must be zero, so that one key or
// signature has one spelling: both are compared and hashed as strings elsewhere.
export const PublicKeyText = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/)
export const SignatureText = z.string().regex(/^[A-Za-z0-9_-]{85}[AQgw]$/)

export interface KeyPairRaw {
  readonly publicKey: string // raw, base64url: 43 characters
  readonly privateKey: string // PKCS8, base64: 64 characters
}

/** A fresh key pair from the platform's random source. */
export async function generateEd25519(): Promise<KeyPairRaw> {
  const pair = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new Error('WebCrypto gave no key pair for Ed25519')
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey))
  return { publicKey: toBase64url(raw), privateKey: toBase64(pkcs8) }
}

/** Signs `bytes`; base64url, 86 characters. Ed25519 is deterministic: same key and bytes, same signature. Throws on a malformed private key. */
export async function signBytes(privateKeyPkcs8Base64: string, bytes: Uint8Array): Promise<string> {
  const pkcs8 = fromBase64(privateKeyPkcs8Base64)
  if (pkcs8 === undefined) throw new TypeError('the private key is not base64')
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign'])
  return toBase64url(new Uint8Array(await crypto.subtle.sign('Ed25519', key, new Uint8Array(bytes))))
}

/** True only for a good signature. A malformed key or signature is false, never an exception: both come from strangers. */
export async function verifyBytes(
  publicKeyBase64url: string,
  bytes: Uint8Array,
  signatureBase64url: string,
): Promise<boolean> {
  const signature = SignatureText.safeParse(signatureBase64url).success && fromBase64url(signatureBase64url)
  const key = await importPublicKey(publicKeyBase64url)
  if (!signature || key === undefined) return false
  return crypto.subtle.verify('Ed25519', key, signature, new Uint8Array(bytes))
}

/** The verifying key, or undefined if the text is not 32 bytes that WebCrypto accepts as an Ed25519 public key. */
async function importPublicKey(publicKeyBase64url: string): Promise<CryptoKey | undefined> {
  const raw = PublicKeyText.safeParse(publicKeyBase64url).success && fromBase64url(publicKeyBase64url)
  if (!raw) return undefined
  try {
    return await crypto.subtle.importKey('raw', raw, 'Ed25519', true, ['verify'])
  } catch (error) {
    // Engines differ on which 32 bytes they reject at import; all of them mean "not a key".
    if (error instanceof DOMException) return undefined
    throw error
  }
}

/** SHA-256 of the raw 32-byte public key, 64 lower-case hex digits. Throws on a malformed key: parse with PublicKeyText first. */
export async function fingerprint(publicKeyBase64url: string): Promise<string> {
  const raw = fromBase64url(PublicKeyText.parse(publicKeyBase64url))
  if (raw === undefined) throw new TypeError('the public key is not base64url')
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', raw))
  return Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('')
}

/** Bytes to base64url without padding. */
export function toBase64url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Strict inverse of toBase64url: undefined for padding, foreign characters, or set unused bits. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return undefined
  const padding = '='.repeat((4 - (text.length % 4)) % 4)
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/') + padding)
}

/** Bytes to standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  // Spread in pieces: an argument list has an engine-dependent bound, far above 8 KiB everywhere.
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; at += 8192) {
    pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8192)))
  }
  return btoa(pieces.join(''))
}

/** Strict inverse of toBase64: undefined for anything that toBase64 would not have written. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at)
  return toBase64(bytes) === text ? bytes : undefined
}
