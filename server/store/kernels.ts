import { z } from 'zod'
import { KernelManifest, ReleaseStatement, type SignedRelease } from '#protocol/kernel.ts'
import { SignatureText } from '#protocol/signature.ts'
import { type Instant, Sha256, type UserId } from '#protocol/units.ts'
import { violatedConstraint } from './errors.ts'
import { type Executor, execute, select, selectFirst, Timestamp, toDb } from './rows.ts'

const KernelRow = z.object({
  moduleSha256: Sha256,
  releaseSha256: Sha256,
  name: z.string(),
  version: z.int(),
  serial: z.int(),
  manifest: KernelManifest,
  statement: ReleaseStatement,
  signature: SignatureText,
  /** Nobody submits with it any more. */
  deprecatedAt: Timestamp.nullable(),
})
/** An admitted kernel: its manifest and what the operator signed. */
export type KernelRow = z.infer<typeof KernelRow>

export const signedRelease = ({ statement, signature }: SignedRelease): SignedRelease => ({
  statement,
  signature,
})

const SELECT = `
  select module_sha256 as "moduleSha256", release_sha256 as "releaseSha256", name, version, serial, manifest, statement,
    signature, deprecated_at as "deprecatedAt"
  from kernels`

export const listKernels = (on: Executor): Promise<KernelRow[]> =>
  select(on, KernelRow, `${SELECT} order by name, version`)

export const kernelsByHash = (on: Executor, hashes: readonly string[]): Promise<KernelRow[]> =>
  select(on, KernelRow, `${SELECT} where module_sha256 = any(:hashes)`, { hashes })

/** @param name of the form name@version */
export function findKernel(on: Executor, name: string): Promise<KernelRow | undefined> {
  const [stem = '', version = ''] = name.split('@')
  const bindings = { stem, version: Number(version) }
  return selectFirst(on, KernelRow, `${SELECT} where name = :stem and version = :version`, bindings)
}

const INSERT = `
  insert into kernels (module_sha256, release_sha256, name, version, serial, manifest, statement, signature, admitted_at,
    owner_id)
  values (:moduleSha256, :releaseSha256, :name, :version, :serial, :manifest, :statement, :signature, :now, :ownerId)`

const REASONS: Readonly<Record<string, 'version_taken' | 'serial_taken' | 'module_taken'>> = {
  kernels_name_version_key: 'version_taken',
  kernels_name_serial_key: 'serial_taken',
  kernels_pkey: 'module_taken',
}

/** Adds an admitted kernel, of which the name is that user's, or the operator's. A version names one module for ever: a refusal changes nothing. */
export async function insertKernel(
  on: Executor,
  kernel: Omit<KernelRow, 'deprecatedAt'>,
  now: Instant,
  ownerId: UserId | null = null,
): Promise<'created' | 'version_taken' | 'serial_taken' | 'module_taken'> {
  const { manifest, statement } = kernel
  try {
    await execute(on, INSERT, {
      ...kernel,
      ownerId,
      manifest: JSON.stringify(manifest),
      statement: JSON.stringify(statement),
      now: toDb(now),
    })
    return 'created'
  } catch (error) {
    const reason = REASONS[violatedConstraint(error) ?? '']
    if (reason === undefined) throw error
    return reason
  }
}

const SIGN_AGAIN = `
  update kernels set statement = :statement, signature = :signature
  where module_sha256 = :moduleSha256 and release_sha256 = :releaseSha256 and statement->>'keyId' <> :keyId`

/** Replaces the signature of another operator's key; does nothing when it is this key's already. */
export async function signAgain(on: Executor, { statement, signature }: SignedRelease): Promise<boolean> {
  const { moduleSha256, releaseSha256, keyId } = statement
  const bindings = { statement: JSON.stringify(statement), signature, moduleSha256, releaseSha256, keyId }
  return (await execute(on, SIGN_AGAIN, bindings)) === 1
}

const SET_DEPRECATED = `
  update kernels set deprecated_at = cast(:at as timestamptz) where name = :stem and version = :version`

/** Nobody submits with this kernel any more, or does again; returns 1. @param name of the form name@version */
export function setDeprecated(on: Executor, name: string, at: Instant | null): Promise<number> {
  const [stem = '', version = ''] = name.split('@')
  return execute(on, SET_DEPRECATED, { stem, version: Number(version), at: toDb(at) })
}
