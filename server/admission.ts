import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import type { Instant } from '#protocol/units.ts'
import type { Blobs } from '#store/blobs.ts'
import { inTransaction } from '#store/database.ts'
import { insertFile } from '#store/files.ts'
import { findKernel, insertKernel, type KernelRow, signAgain } from '#store/kernels.ts'
import { examine, type FitRelease } from './kernels/examine.ts'
import { type SigningKey, signRelease } from './kernels/sign.ts'
import type { Log } from './log.ts'
import { OperatorError } from './operator.ts'

/** Reads a release and checks everything that can be checked without running it. Throws `OperatorError`. */
export async function examineRelease(bytes: Uint8Array): Promise<FitRelease> {
  const examined = await examine(bytes)
  if (examined.ok) return examined.fit
  const [first] = examined.reasons
  throw new OperatorError(first?.code ?? 'release_malformed', first?.detail ?? '', first?.hint ?? '')
}

/** Signs a release with the operator's key: what clients ask for before they run it. */
export function signFit(key: SigningKey, { manifest, releaseSha256, moduleSha256 }: FitRelease) {
  const { name, version, serial } = manifest
  return signRelease(key, { name, version, serial, releaseSha256, moduleSha256 })
}

interface Admitting {
  readonly knex: Knex
  readonly blobs: Blobs
  readonly operator: SigningKey
  readonly now: () => Instant
}

const HINTS = {
  version_taken: 'A version names one module for ever: give the manifest a new version.',
  serial_taken: 'Give the manifest a higher serial.',
  module_taken: 'This module was admitted under another name or version already.',
} as const

/**
 * Signs and stores a release. A name and version that are stored already keep what they name: the same release is
 * signed again when the operator's key is new, another one is refused (`OperatorError`).
 */
export async function admitRelease(
  { knex, blobs, operator, now }: Admitting,
  release: FitRelease,
): Promise<'admitted' | 'known'> {
  const { manifest, releaseSha256, moduleSha256 } = release
  const { name, version, serial } = manifest
  const stored = await findKernel(knex, `${name}@${version}`)
  if (stored !== undefined && stored.releaseSha256 !== releaseSha256)
    throw taken('version_taken', release, stored)
  const signed = await signFit(operator, release)
  await blobs.put(release.bytes)
  if (stored !== undefined) {
    await signAgain(knex, signed)
    return 'known'
  }
  await inTransaction(knex, async trx => {
    const bytes = release.bytes.length
    await insertFile(trx, { sha256: releaseSha256, bytes, kind: 'kernel', now: now() })
    const row = { moduleSha256, releaseSha256, name, version, serial, manifest, ...signed }
    const outcome = await insertKernel(trx, row, now())
    if (outcome !== 'created') throw taken(outcome, release)
  })
  return 'admitted'
}

/** Admits every release in a directory. One that is refused is logged; what it would have replaced stays. */
export async function admitDirectory(admitting: Admitting, directory: string, log: Log): Promise<void> {
  for (const file of await tarsIn(directory)) {
    try {
      const release = await examineRelease(await readFile(join(directory, file)))
      const outcome = await admitRelease(admitting, release)
      const { name, version } = release.manifest
      if (outcome === 'admitted')
        log.info({ kernel: `${name}@${version}`, moduleSha256: release.moduleSha256 }, 'kernel admitted')
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      log.error({ file, code: error.code, hint: error.hint }, `kernel refused: ${error.message}`)
    }
  }
}

function taken(
  code: keyof typeof HINTS,
  { manifest, moduleSha256 }: FitRelease,
  stored?: KernelRow,
): OperatorError {
  const name = `${manifest.name}@${manifest.version}`
  const what =
    stored === undefined || stored.moduleSha256 === moduleSha256
      ? `${name} is stored with another release`
      : `${name} is stored with module ${stored.moduleSha256}, this release has ${moduleSha256}`
  return new OperatorError(code, what, HINTS[code])
}

async function tarsIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter(name => name.endsWith('.tar')).sort()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
