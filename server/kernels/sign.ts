// Signing kernel releases. Anyone may propose a kernel; only what an operator has signed is computed by volunteers. All
// of it is WebCrypto and JSON, so it works on any machine. Clients verify by themselves, with the keys that they pinned.

import { canonicalJson, utf8 } from '#protocol/canonical.ts'
import {
  ReleaseStatement,
  type SignedRelease,
  type SignedSuccessor,
  SuccessorStatement,
} from '#protocol/kernel.ts'
import {
  fingerprint,
  fromBase64,
  generateEd25519,
  type KeyPairRaw,
  signBytes,
  toBase64,
  verifyBytes,
} from '#protocol/signature.ts'
import { Sha256 } from '#protocol/units.ts'

/** An operator's signing key; `keyId` is the fingerprint that clients pin. */
export interface SigningKey extends KeyPairRaw {
  readonly keyId: Sha256
}

/** A fresh signing key. */
export async function generateKey(): Promise<SigningKey> {
  return withKeyId(await generateEd25519())
}

/** The private key as PKCS8 PEM, for a file of mode 0600: the caller writes it. */
export function exportKey({ privateKey }: SigningKey): string {
  return `${PEM_HEAD}\n${privateKey}\n${PEM_FOOT}\n`
}

/** The inverse of exportKey; reads what `openssl genpkey -algorithm ed25519` writes too. Undefined if it is no such key. */
export async function importKey(pem: string): Promise<SigningKey | undefined> {
  const lines = pem.trim().split(/\r?\n/)
  const pkcs8 = fromBase64(lines.slice(1, -1).join(''))
  if (lines[0] !== PEM_HEAD || lines.at(-1) !== PEM_FOOT || pkcs8 === undefined) return undefined
  const publicKey = await publicKeyOf(pkcs8)
  return publicKey === undefined ? undefined : withKeyId({ publicKey, privateKey: toBase64(pkcs8) })
}

/** What is stated of a release, but for the signer. */
export type ReleaseFacts = Omit<ReleaseStatement, 'type' | 'keyId'>

/** Signs a release: the RFC 8785 bytes of its statement. */
export async function signRelease(key: SigningKey, facts: ReleaseFacts): Promise<SignedRelease> {
  const statement = ReleaseStatement.parse({ ...facts, type: 'xeenet/kernel-release/1', keyId: key.keyId })
  return { statement, signature: await signStatement(key, statement) }
}

/** Whether the key of this public key made this statement: its id is in the statement, and the signature fits. */
export async function verifyRelease(publicKey: string, release: SignedRelease): Promise<boolean> {
  const { statement, signature } = release
  return (
    (await verifyStatement(publicKey, statement, signature)) &&
    statement.keyId === (await fingerprint(publicKey))
  )
}

/** Names the key that follows `key`: the only way in which clients come to trust another one. */
export async function signSuccessor(key: SigningKey, newPublicKey: string): Promise<SignedSuccessor> {
  const type = 'xeenet/key-successor/1'
  const statement = SuccessorStatement.parse({ type, oldKeyId: key.keyId, newPublicKey })
  return { statement, signature: await signStatement(key, statement) }
}

/** Whether the predecessor made this statement. */
export async function verifySuccessor(oldPublicKey: string, successor: SignedSuccessor): Promise<boolean> {
  const { statement, signature } = successor
  const signed = await verifyStatement(oldPublicKey, statement, signature)
  return signed && statement.oldKeyId === (await fingerprint(oldPublicKey))
}

const PEM_HEAD = '-----BEGIN PRIVATE KEY-----'
const PEM_FOOT = '-----END PRIVATE KEY-----'

type Statement = ReleaseStatement | SignedSuccessor['statement']

const signStatement = ({ privateKey }: SigningKey, statement: Statement): Promise<string> =>
  signBytes(privateKey, utf8(canonicalJson(statement)))

const verifyStatement = (publicKey: string, statement: Statement, signature: string): Promise<boolean> =>
  verifyBytes(publicKey, utf8(canonicalJson(statement)), signature)

async function withKeyId(pair: KeyPairRaw): Promise<SigningKey> {
  return { ...pair, keyId: Sha256.parse(await fingerprint(pair.publicKey)) }
}

/** WebCrypto derives the public half only on the way to a JWK. */
async function publicKeyOf(pkcs8: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  try {
    const key = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign'])
    return (await crypto.subtle.exportKey('jwk', key)).x
  } catch (error) {
    if (error instanceof DOMException) return undefined
    throw error
  }
}
