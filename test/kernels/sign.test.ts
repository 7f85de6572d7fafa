import { expect, test } from 'vitest'
import {
  exportKey,
  generateKey,
  importKey,
  signRelease,
  signSuccessor,
  verifyRelease,
  verifySuccessor,
} from '#kernels/sign.ts'
import { SignedRelease, SignedSuccessor } from '#protocol/kernel.ts'
import { Sha256 } from '#protocol/units.ts'

const FACTS = {
  name: 'charlm',
  version: 0,
  serial: 3,
  releaseSha256: Sha256.parse('a'.repeat(64)),
  moduleSha256: Sha256.parse('b'.repeat(64)),
}

test('a signed release verifies under its key, and under no other', async () => {
  const [key, other] = [await generateKey(), await generateKey()]
  const release = SignedRelease.parse(await signRelease(key, FACTS))
  expect(release.statement).toEqual({ ...FACTS, type: 'xeenet/kernel-release/1', keyId: key.keyId })
  expect(await verifyRelease(key.publicKey, release)).toBe(true)
  expect(await verifyRelease(other.publicKey, release)).toBe(false)
})

test.each(Object.keys(FACTS))('a changed %s breaks the signature', async field => {
  const key = await generateKey()
  const { statement, signature } = await signRelease(key, FACTS)
  const changed = {
    name: 'charln',
    version: 1,
    serial: 4,
    releaseSha256: 'c'.repeat(64),
    moduleSha256: 'd'.repeat(64),
  }
  const forged = SignedRelease.parse({
    statement: { ...statement, [field]: changed[field as keyof typeof changed] },
    signature,
  })
  expect(await verifyRelease(key.publicKey, forged)).toBe(false)
})

test('a statement that names another key is false even if the signature fits', async () => {
  const [key, other] = [await generateKey(), await generateKey()]
  const release = await signRelease({ ...key, keyId: other.keyId }, FACTS)
  expect(await verifyRelease(key.publicKey, release)).toBe(false)
})

test('a successor is named by its predecessor only', async () => {
  const [key, next] = [await generateKey(), await generateKey()]
  const successor = SignedSuccessor.parse(await signSuccessor(key, next.publicKey))
  expect(await verifySuccessor(key.publicKey, successor)).toBe(true)
  expect(await verifySuccessor(next.publicKey, successor)).toBe(false)
})

test('a key reads back from its PEM text', async () => {
  const key = await generateKey()
  expect(await importKey(exportKey(key))).toEqual(key)
})

test('a key in the form that openssl writes is read: test 2 of RFC 8032', async () => {
  const pem =
    '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----\n'
  const key = await importKey(pem)
  expect(key?.publicKey).toBe('PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw')
})

test.each([
  '',
  'not a key',
  '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
  '-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----',
])('"%s" is no key', async pem => {
  expect(await importKey(pem)).toBeUndefined()
})
