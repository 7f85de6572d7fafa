import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '#protocol/canonical.ts'
import type { Sha256 } from '#protocol/units.ts'
import type { FileCache } from '#runtime/cache.ts'
import { readRelease } from '#runtime/release.ts'
import type { ReadyKernel } from '#runtime/self-test.ts'
import { tarFile } from '#runtime/tar.ts'

/** A release that is here already, not compiled yet. */
export interface KnownRelease {
  readonly release: Uint8Array
  readonly releaseSha256: Sha256
  readonly moduleSha256: Sha256
}

const BUILT = join(import.meta.dirname, '..', '..', 'build', 'kernels')

/** The kernels that were built in this repository; none in an installed client. Old builds without a self-test do not count. */
export async function builtReleases(directory = BUILT): Promise<KnownRelease[]> {
  const tars = (await readdir(directory).catch(() => [])).filter(name => name.endsWith('.tar')).sort()
  const known = await Promise.all(tars.map(async name => knownRelease(await readFile(join(directory, name)))))
  const testable = await Promise.all(known.map(isTestable))
  return known.filter((_, i) => testable[i])
}

async function isTestable({ release, moduleSha256 }: KnownRelease): Promise<boolean> {
  const content = await readRelease(release, moduleSha256)
  return content.ok && content.manifest.selfTest !== undefined
}

/** A kernel to test this machine with before it is given any work: the one it tested last, or one that was built here. */
export async function releaseAtHand(
  cache: FileCache,
  last: Sha256 | null,
): Promise<KnownRelease | undefined> {
  const bytes = last === null ? undefined : await cache.get(last)
  if (bytes !== undefined && (await sha256(bytes)) === last) {
    const known = await knownRelease(bytes)
    if (await isTestable(known)) return known
  }
  const [built] = await builtReleases()
  return built
}

/** Compiles it. @throws Error for a file that is no release */
export async function readyKernel(known: KnownRelease): Promise<ReadyKernel> {
  const content = await readRelease(known.release, known.moduleSha256)
  if (!content.ok) throw new Error(`${known.releaseSha256.slice(0, 12)}…: ${content.reason}`)
  const module = await WebAssembly.compile(new Uint8Array(content.module))
  return { ...known, manifest: content.manifest, module }
}

const knownRelease = async (release: Uint8Array): Promise<KnownRelease> => ({
  release,
  releaseSha256: await sha256(release),
  moduleSha256: await sha256(tarFile(release, 'module.wasm') ?? new Uint8Array()),
})
