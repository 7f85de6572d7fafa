import { sha256 } from '#protocol/canonical.ts'
import type { Sha256 } from '#protocol/units.ts'
import { readRelease } from './release.ts'
import type { ReadyKernel } from './self-test.ts'
import { tarFile } from './tar.ts'

/** A release that is here already, not compiled yet. */
export interface KnownRelease {
  readonly release: Uint8Array
  readonly releaseSha256: Sha256
  readonly moduleSha256: Sha256
}

export const knownRelease = async (release: Uint8Array): Promise<KnownRelease> => ({
  release,
  releaseSha256: await sha256(release),
  moduleSha256: await sha256(tarFile(release, 'module.wasm') ?? new Uint8Array()),
})

/** Compiles it. @throws Error for a file that is no release */
export async function readyKernel(known: KnownRelease): Promise<ReadyKernel> {
  const content = await readRelease(known.release, known.moduleSha256)
  if (!content.ok) throw new Error(`${known.releaseSha256.slice(0, 12)}…: ${content.reason}`)
  const module = await WebAssembly.compile(new Uint8Array(content.module))
  return { ...known, manifest: content.manifest, module }
}
