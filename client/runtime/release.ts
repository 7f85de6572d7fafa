import { z } from 'zod'
import { canonicalJson, fromUtf8, sha256, utf8 } from '#protocol/canonical.ts'
import { KernelManifest, type SignedRelease, type SignedSuccessor } from '#protocol/kernel.ts'
import { fingerprint, verifyBytes } from '#protocol/signature.ts'
import { Sha256 } from '#protocol/units.ts'
import { tarFile } from './tar.ts'

/** A key of the operator's, pinned at enrolment. */
export interface PinnedKey {
  readonly keyId: Sha256
  readonly publicKey: string
}

export type Judged<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly reason: string }

/** The highest serial accepted so far, by `name@version`. */
export type Serials = Readonly<Record<string, number>>

/**
 * Whether a release may run here: signed by a pinned key, and not older than what was already accepted under its
 * name and version. Campaigns pin versions, so an older version stays welcome; an older signing of the same one does not.
 */
export async function judgeRelease(
  release: SignedRelease,
  trust: { keys: readonly PinnedKey[]; serials: Serials },
): Promise<Judged<{ serials: Serials }>> {
  const { statement, signature } = release
  const key = trust.keys.find(candidate => candidate.keyId === statement.keyId)
  if (key === undefined) return refuse(`signed by ${statement.keyId.slice(0, 12)}…, which is not pinned here`)
  if (!(await verifyBytes(key.publicKey, utf8(canonicalJson(statement)), signature)))
    return refuse('its signature does not fit its statement')
  const name = `${statement.name}@${statement.version}`
  const known = trust.serials[name] ?? 0
  if (statement.serial < known) return refuse(`serial ${statement.serial} of ${name} is older than ${known}`)
  return { ok: true, serials: { ...trust.serials, [name]: statement.serial } }
}

/** Adds the successor that a pinned key names: the only way to trust another key than one pinned at enrolment. */
export async function acceptSuccessor(
  keys: readonly PinnedKey[],
  successor: SignedSuccessor,
): Promise<Judged<{ keys: readonly PinnedKey[] }>> {
  const { statement, signature } = successor
  const old = keys.find(key => key.keyId === statement.oldKeyId)
  if (old === undefined) return refuse('its predecessor is not pinned here')
  if (!(await verifyBytes(old.publicKey, utf8(canonicalJson(statement)), signature)))
    return refuse('its predecessor did not sign it')
  const keyId = Sha256.parse(await fingerprint(statement.newPublicKey))
  if (keys.some(key => key.keyId === keyId)) return { ok: true, keys }
  return { ok: true, keys: [...keys, { keyId, publicKey: statement.newPublicKey }] }
}

export interface ReleaseContent {
  readonly manifest: KernelManifest
  readonly module: Uint8Array
}

/** The manifest and the module of a release tar; the module must be the one that was named. */
export async function readRelease(tar: Uint8Array, moduleSha256: Sha256): Promise<Judged<ReleaseContent>> {
  const manifestBytes = tarFile(tar, 'manifest.json')
  const module = tarFile(tar, 'module.wasm')
  if (manifestBytes === undefined || module === undefined)
    return refuse('the release lacks manifest.json or module.wasm')
  if ((await sha256(module)) !== moduleSha256) return refuse('its module is not the one that was signed')
  const manifest = KernelManifest.safeParse(parseJson(manifestBytes))
  if (!manifest.success) return refuse(`its manifest: ${z.prettifyError(manifest.error).slice(0, 300)}`)
  return { ok: true, manifest: manifest.data, module }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes))
  } catch {
    return undefined // and the schema says so
  }
}

const refuse = (reason: string): { readonly ok: false; readonly reason: string } => ({ ok: false, reason })
