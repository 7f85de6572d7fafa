import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  fingerprint,
  fromBase64,
  fromBase64url,
  generateEd25519,
  signBytes,
  toBase64,
  toBase64url,
  verifyBytes,
} from '#protocol/signature.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

// RFC 8032, section 7.1, test 2.
const SEED = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'
const PUBLIC = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
const SIGNATURE =
  '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'))
const pkcs8 = (seed: string): string => toBase64(hex(`302e020100300506032b657004220420${seed}`))

test('signing and verifying agree with the test vector of RFC 8032', async () => {
  const signature = await signBytes(pkcs8(SEED), hex('72'))
  expect(signature).toBe(toBase64url(hex(SIGNATURE)))
  expect(await verifyBytes(toBase64url(hex(PUBLIC)), hex('72'), signature)).toBe(true)
})

test('a signature is refused after any change of message, signature or key', async () => {
  const key = await generateEd25519()
  const other = await generateEd25519()
  const signature = await signBytes(key.privateKey, text('step 12'))
  const raw = fromBase64url(signature)!
  raw[7] = raw[7]! ^ 1
  expect(await verifyBytes(key.publicKey, text('step 12'), signature)).toBe(true)
  expect(await verifyBytes(key.publicKey, text('step 13'), signature)).toBe(false)
  expect(await verifyBytes(key.publicKey, text('step 12'), toBase64url(raw))).toBe(false)
  expect(await verifyBytes(other.publicKey, text('step 12'), signature)).toBe(false)
})

test.each(['', 'AAAA', '!'.repeat(43), `${'A'.repeat(42)}B`, 'é'.repeat(43)])(
  'the malformed key or signature "%s" verifies as false and does not throw',
  async bad => {
    const key = await generateEd25519()
    const signature = await signBytes(key.privateKey, text('x'))
    expect(await verifyBytes(bad, text('x'), signature)).toBe(false)
    expect(await verifyBytes(key.publicKey, text('x'), bad)).toBe(false)
    await expect(fingerprint(bad)).rejects.toThrow()
  },
)

test('a fingerprint is the SHA-256 of the raw public key', async () => {
  expect(await fingerprint(toBase64url(hex(PUBLIC)))).toBe(
    '39f713d0a644253f04529421b9f51b9b08979d08295959c4f3990ee617f5139f',
  )
})

test('base64 of both alphabets reads back what it wrote, also beyond one piece', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      expect(fromBase64(toBase64(bytes))).toEqual(bytes)
      expect(fromBase64url(toBase64url(bytes))).toEqual(bytes)
    }),
  )
  const long = Uint8Array.from({ length: 20_001 }, (_, i) => i & 255)
  expect(fromBase64(toBase64(long))).toEqual(long)
})

test.each(['A', 'AB', 'A===', 'AB==CD==', 'AA=A', 'AAB', '/w=='])('"%s" is no base64url', bad => {
  // 'AB' and 'AAB' leave unused bits set.
  expect(fromBase64url(bad)).toBeUndefined()
})
